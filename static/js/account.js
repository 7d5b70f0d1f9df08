/** Signing in and out, the wallet and the models: what stands around the conversation. */

import * as api from "./api.js";
import { leave, onConnected, onPush, reconnect, signedIn, signedOut } from "./hub.js";
import { leaveBrowser } from "./push.js";
import { loginState, modelId, models, wallet } from "./state.js";
import { recall, remember } from "./storage.js";

const MODEL_KEY = "hub.model";
const MODELS_RETRY_MS = 5_000;
const RENEW_MS = 86_400_000;

let renewedAt = 0;

export async function login({ email, password, code }) {
  await api.login(email, password, code);
  signedIn();
}

export async function register(fields) {
  await api.register(fields);
  signedIn();
}

/** The hub ends the login; the page leaves it only then, so that "signed out" is never a pretence. */
export async function logout() {
  leave();
  try {
    await api.logout();
  } catch (error) {
    reconnect();
    throw error;
  }
  leaveBrowser().catch(() => {}); // the hub pushes nothing more to it in any case
  signedOut();
}

export function chooseModel(id) {
  modelId.value = id;
  remember(MODEL_KEY, id);
}

async function loadModels() {
  try {
    models.value = await api.listModels();
  } catch {
    setTimeout(() => models.value.length || loadModels(), MODELS_RETRY_MS);
    return;
  }
  const usable = (id) => models.value.some((model) => model.id === id && model.available !== false);
  const wanted = [modelId.value, recall(MODEL_KEY)].find(usable);
  modelId.value = wanted ?? models.value.find((model) => model.available !== false)?.id ?? "";
}

/** State of which the newest wins: an older version may arrive late, over another way. */
function setWallet(balance) {
  if (!balance || (wallet.value && balance.version < wallet.value.version)) return;
  const { credits, credits_held, points, version } = balance;
  wallet.value = { credits, credits_held, points, version };
}

/** A page that stays open must not be signed out in the middle of its use; an open socket alone renews nothing. */
function renewLogin() {
  if (loginState.value !== "in" || Date.now() - renewedAt < RENEW_MS) return;
  renewedAt = Date.now();
  api.renewLogin().catch(() => (renewedAt = 0)); // tried again at the next occasion
}

setInterval(renewLogin, RENEW_MS / 24);
onPush("balance", setWallet);
onConnected((reply) => {
  setWallet(reply.balance);
  renewLogin();
  if (!models.value.length) loadModels();
});
