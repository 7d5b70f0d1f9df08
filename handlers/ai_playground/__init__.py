"""The AI Playground API: `/api/v1/{ai,api-keys,webhooks,usage}`, and its part of `/api/auth`."""
