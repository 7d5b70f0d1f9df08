// OpenAI's client for Node, unmodified, as a program: a request a line on standard input, what came of it a line on
// standard output. The fields of both are told in tests/clients/programs.py.
import { subscribe } from "node:diagnostics_channel";
import { createInterface } from "node:readline";

// Before the client is loaded, so that nothing it opens is missed.
const addresses = [];
subscribe("net.client.socket", ({ socket }) => {
  socket.on("lookup", (error, ip, family, host) => addresses.push(host));
  socket.on("connectionAttempt", (ip) => addresses.push(ip));
});
const { default: OpenAI } = await import("openai");

function add(heard, piece) {
  heard.text += piece ?? "";
  heard.pieces += piece ? 1 : 0;
}

async function streamed(stream, heard) {
  const calls = [];
  let usage = null;
  let finish = null;
  for await (const chunk of stream) {
    usage = chunk.usage ?? usage;
    for (const { delta, finish_reason } of chunk.choices) {
      add(heard, delta.content);
      finish = finish_reason ?? finish;
      for (const { index, id, function: called } of delta.tool_calls ?? []) {
        calls[index] ??= { id: "", name: "", arguments: "" };
        calls[index].id += id ?? "";
        calls[index].name += called.name ?? "";
        calls[index].arguments += called.arguments ?? "";
      }
    }
  }
  return { calls, usage, finish };
}

function whole({ choices: [choice], usage }, heard) {
  add(heard, choice.message.content);
  const flat = ({ id, function: { name, arguments: given } }) => ({ id, name, arguments: given });
  const calls = (choice.message.tool_calls ?? []).map(flat);
  return { calls, usage, finish: choice.finish_reason };
}

function told(error) {
  const classes = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) classes.push(kind.name);
  return { classes, status: error.status ?? null, code: error.code ?? null, message: error.message };
}

async function ask({ url, key, model, messages, stream, tools, fields, headers, retries }) {
  const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: retries });
  const body = { model, messages, ...fields };
  if (tools.length) body.tools = tools;
  if (stream) Object.assign(body, { stream: true, stream_options: { include_usage: true } });
  const heard = { text: "", pieces: 0 };
  try {
    const answer = await client.chat.completions.create(body, { headers });
    return { ...(stream ? await streamed(answer, heard) : whole(answer, heard)), ...heard, error: null };
  } catch (error) {
    return { calls: [], usage: null, finish: null, ...heard, error: told(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await ask(JSON.parse(line));
  process.stdout.write(JSON.stringify({ ...answer, addresses: addresses.splice(0) }) + "\n");
}
