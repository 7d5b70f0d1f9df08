/** Signing in and out, the wallet and the models: what stands around the conversation. */

import * as api from "./api.js";
import { onConnected, onPush, signedIn, signedOut } from "./hub.js";
import { modelId, models, wallet } from "./state.js";
import { recall, remember } from "./storage.js";

const MODEL_KEY = "hub.model";
const MODELS_RETRY_MS = 5_000;

export async function login({ email, password }) {
  await api.login(email, password);
  signedIn();
}

export async function register(fields) {
  await api.register(fields);
  signedIn();
}

/** The hub ends the login; the page leaves it only then, so that "signed out" is never a pretence. */
export async function logout() {
  await api.logout();
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

onPush("balance", setWallet);
onConnected((reply) => {
  setWallet(reply.balance);
  if (!models.value.length) loadModels();
});
