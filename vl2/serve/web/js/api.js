/** The server's addresses: JSON out, JSON or a stream back, every failure an ApiError that says what to do. */

const KEY = "vl2.key";
const UNAUTHORISED = 401;
let asking = null;
let askForKey = async () => null;

/** A request that did not succeed; `status` is 0 when no server answered. */
export class ApiError extends Error {
  constructor(message, { status = 0, retryAfter = null, param = null } = {}) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, retryAfter, param });
  }
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;
export const forgetKey = () => sessionStorage.removeItem(KEY);

/** Say how a person is asked for the key: a function that returns it, or null when they give none. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Return the names of the models that the server has. */
export async function listModels() {
  const { data } = await (await request("/v1/models", {})).json();
  return data.map((model) => model.id);
}

/** Post JSON and return the JSON that comes back. */
export async function post(address, body, signal) {
  return (await postForStream(address, body, signal)).json();
}

/** Post JSON and return the response, its body unread. */
export function postForStream(address, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return request(address, { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function request(address, options) {
  const response = await send(address, options);
  if (response.ok) return response;
  if (response.status === UNAUTHORISED && (await newKey(await failure(response.clone()))))
    return request(address, options);
  throw await failure(response);
}

async function send(address, options) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  try {
    return await fetch(address, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Check that it runs, then try again.");
  }
}

/** Ask once, however many requests wait for it. */
async function newKey(error) {
  asking ??= askForKey(error.message).finally(() => (asking = null));
  const key = await asking;
  if (key) sessionStorage.setItem(KEY, key);
  return Boolean(key);
}

async function failure(response) {
  const { status } = response;
  const seconds = Number.parseFloat(response.headers.get("Retry-After"));
  const error = await response.json().then(
    (body) => body.error,
    () => null,
  );
  const message =
    typeof error?.message === "string" ? error.message : `The server answered ${status} ${response.statusText}.`;
  return new ApiError(message, { status, retryAfter: Number.isFinite(seconds) ? seconds : null, param: error?.param });
}
