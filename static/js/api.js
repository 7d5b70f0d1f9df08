/** The few REST calls of the page. The login lives in an HttpOnly cookie: no token ever reaches this code. */

export class ApiError extends Error {
  /** `fields` maps a field's name to what is wrong with it. */
  constructor(status, { code = "", message = "", details = [] } = {}) {
    super(message || `The hub answered with status ${status}.`);
    this.status = status;
    this.code = code;
    const listed = Array.isArray(details) ? details : (details.errors ?? []); // the AI Assistant's form has them deeper
    this.fields = Object.fromEntries(listed.map((detail) => [detail.field, detail.message]));
  }
}

/** The whole answer, for paths whose API has no envelope. */
async function ask(method, path, body) {
  const headers = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) };
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new ApiError(0, { message: "The hub cannot be reached. Check your connection and try again." });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.error);
  return answer;
}

const call = async (method, path, body) => (await ask(method, path, body)).data;

export const login = (email, password, code) =>
  call("POST", "/api/auth/login", { email, password, ...(code && { code }) });
export const register = (fields) => call("POST", "/api/auth/register", fields);
export const signInMethods = () => call("GET", "/api/auth/methods");
export const askForReset = (email) => call("POST", "/api/auth/forgot-password", { email });
export const resetPassword = (token, newPassword) => call("POST", "/api/auth/reset-password", { token, newPassword });
export const verifyEmail = (token) => call("POST", "/api/auth/verify-email", { token });
export const exchangeCode = (code, second) =>
  call("POST", "/api/auth/google/exchange", { code, ...(second && { two_factor_code: second }) });
export const twoFactor = () => call("GET", "/api/auth/2fa");
export const beginTwoFactor = (password) => call("POST", "/api/auth/2fa/setup", password ? { password } : {});
export const verifyTwoFactor = (code) => call("POST", "/api/auth/2fa/verify", { code });
export const disableTwoFactor = (proof) => call("POST", "/api/auth/2fa/disable", proof);
export const renewRecoveryCodes = (code) => call("POST", "/api/auth/2fa/recovery-codes", { code });
export const searchConversations = async (text) =>
  (await ask("GET", `/api/history?limit=50&search=${encodeURIComponent(text)}`)).conversations;
export const renameConversation = (id, title) => ask("PATCH", `/api/history/${id}`, { title });
export const exportAddress = (id, format) => `/api/history/${id}/export?format=${format}`;
export const listProjects = async () => (await ask("GET", "/api/projects?limit=100")).projects;
export const logout = () => call("POST", "/api/auth/logout", {});
/** The login lasts a week from the last time this was asked. */
export const renewLogin = () => call("GET", "/api/users/me");
export const listAnnouncements = () => call("GET", "/api/announcements");
export const notificationSettings = () => call("GET", "/api/notifications/settings");
export const changeNotificationSettings = (change) => call("PUT", "/api/notifications/settings", change);
export const pushKey = () => call("GET", "/api/notifications/push");
export const addPushSubscription = (subscription) =>
  call("POST", "/api/notifications/push/subscriptions", subscription);
export const removePushSubscription = (id) => call("DELETE", `/api/notifications/push/subscriptions/${id}`);
export const listModels = () => call("GET", "/api/mcp/models");
