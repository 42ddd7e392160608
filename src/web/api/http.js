// One request to Parley with the caller's token. A refused token is renewed once; who cannot renew it is signed out.
import { accessToken } from "./token.js";
import { problemOf, Unreachable } from "./problem.js";

const BASE = "/api/v1";
let signedOut = () => {};

// Who is told that the server no longer knows this person.
export function onSignedOut(listener) {
  signedOut = listener;
}

async function send(method, path, { body, headers = {}, signal, token }) {
  const all = { Accept: "application/json", ...headers };
  if (token) all.Authorization = `Bearer ${token}`;
  if (body !== undefined) all["Content-Type"] = "application/json";
  try {
    return await fetch(BASE + path, {
      method, signal, headers: all, cache: "no-store", credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
}

async function tokenOrOut(refused) {
  try {
    return await accessToken(refused);
  } catch (error) {
    if (error.status === 401) signedOut();
    throw error;
  }
}

// A password that was asked for besides can be wrong too.
async function isOfToken(response) {
  return (await problemOf(response.clone())).code !== "invalid_credentials";
}

// The response as it is, once the server has taken the token. options: body, headers, signal.
export async function respond(method, path, options = {}) {
  let token = await tokenOrOut();
  let response = await send(method, path, { ...options, token });
  if (response.status === 401 && (await isOfToken(response))) {
    token = await tokenOrOut(token);
    response = await send(method, path, { ...options, token });
    if (response.status === 401) signedOut();
  }
  if (!response.ok && response.status !== 304) throw await problemOf(response);
  return response;
}

export async function call(method, path, options) {
  const response = await respond(method, path, options);
  return response.status === 204 ? null : response.json();
}

// Without a token: signing in and up.
export async function callOpenly(method, path, body) {
  const response = await send(method, path, { body });
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

// The address behind rel="next" or rel="prev" of a Link header, without the base.
export function linkOf(response, rel) {
  const match = new RegExp(`<([^>]*)>; rel="${rel}"`).exec(response.headers.get("Link") ?? "");
  return match ? match[1].slice(BASE.length) : null;
}
