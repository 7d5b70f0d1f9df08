"""The AI Aggregator API: `/v1`, in the words of OpenAI too."""
