/** The few REST calls of the page. The login lives in an HttpOnly cookie: no token ever reaches this code. */

export class ApiError extends Error {
  /** `fields` maps a field's name to what is wrong with it. */
  constructor(status, { code = "", message = "", details = [] } = {}) {
    super(message || `The hub answered with status ${status}.`);
    this.status = status;
    this.code = code;
    const listed = Array.isArray(details) ? details : [];
    this.fields = Object.fromEntries(listed.map((detail) => [detail.field, detail.message]));
  }
}

async function call(method, path, body) {
  const headers = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) };
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new ApiError(0, { message: "The hub cannot be reached. Check your connection and try again." });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.error);
  return answer.data;
}

export const login = (email, password) => call("POST", "/api/auth/login", { email, password });
export const register = (fields) => call("POST", "/api/auth/register", fields);
export const signInMethods = () => call("GET", "/api/auth/methods");
export const askForReset = (email) => call("POST", "/api/auth/forgot-password", { email });
export const resetPassword = (token, newPassword) => call("POST", "/api/auth/reset-password", { token, newPassword });
export const verifyEmail = (token) => call("POST", "/api/auth/verify-email", { token });
export const exchangeCode = (code) => call("POST", "/api/auth/google/exchange", { code });
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
