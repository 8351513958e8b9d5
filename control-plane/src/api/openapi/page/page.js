// The reference of the API: reads the server's own document, shows each operation, and sends requests to this server. A token stays in its
// field: it is neither stored nor put into an address. Texts become text nodes, never HTML.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
/** Deeper objects are shown by their name. */
const DEEPEST = 4;

const byId = (id) => document.getElementById(id);
let api = {};
let csrf = null;

/** An element with attributes and children; functions are listeners. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(9).filter((child) => child !== undefined && child !== null));
  return made;
}

/** A text in which `this` is code. */
function prose(text = "") {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}

/** What a reference stands for, with what stands beside it. */
function resolve(node) {
  if (!node || !node.$ref) return node ?? {};
  const { $ref, ...beside } = node;
  const found = $ref.split("/").slice(1).reduce((at, key) => at?.[key], api);
  return { ...resolve(found), ...beside };
}

function nameOf(schema) {
  return schema?.$ref?.split("/").at(-1);
}

/** Without `null`, which the kind says. */
function choices(schema) {
  return (schema.anyOf ?? schema.oneOf ?? []).filter((choice) => choice.type !== "null");
}

/** One type in a few words. */
function kind(schema) {
  const full = resolve(schema);
  const among = choices(full);
  if (full.const !== undefined) return JSON.stringify(full.const);
  if (full.enum) return full.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (among.length) return among.map(kind).join(" | ") + (full.anyOf?.length > among.length ? " | null" : "");
  if (full.allOf) return nameOf(full.allOf[0]) ?? "object";
  const types = [full.type ?? "any"].flat().map((type) => (type === "array" ? `list of ${kind(full.items ?? {})}` : type));
  return (nameOf(schema) && types[0] === "object" ? nameOf(schema) : types.join(" | ")) + bounds(full);
}

function bounds(schema) {
  const said = [];
  if (schema.format && !/int/.test(schema.format)) said.push(schema.format);
  if (schema.pattern) said.push(schema.pattern);
  for (const [least, most, unit] of [["minimum", "maximum", ""], ["minLength", "maxLength", " characters"], ["minItems", "maxItems", " items"]]) {
    const [from, to] = [schema[least], schema[most]];
    const isTold = to !== undefined && Math.abs(to) < 2 ** 32 - 1;
    if (isTold) said.push(`${from ?? 0}–${to}${unit}`);
    else if (from > 0) said.push(`${from}${unit} or more`);
  }
  return said.length ? ` (${said.join(", ")})` : "";
}

/** The object within a type: itself, or what its list or its choice holds. */
function inner(schema) {
  const full = resolve(schema);
  if (full.properties) return full;
  if (full.items) return inner(full.items);
  return choices(full).concat(full.allOf ?? []).map(inner).find((found) => found);
}

/** The members of a type, and of those in turn. */
function members(schema, depth = 0) {
  const object = inner(schema);
  if (!object || depth > DEEPEST) return undefined;
  return element("table", {}, Object.entries(object.properties).map(([name, member]) =>
    element("tr", {},
      element("td", { class: object.required?.includes(name) ? "needed" : "" }, element("code", {}, name)),
      element("td", {}, element("span", { class: "kind" }, kind(member)), element("p", {}, prose(resolve(member).description)), nested(member, depth)),
    )));
}

/** Opened only when somebody wants it: types may be large. */
function nested(schema, depth) {
  if (!inner(schema) || depth >= DEEPEST) return undefined;
  const details = element("details", {}, element("summary", {}, "members"));
  details.addEventListener("toggle", () => details.append(members(schema, depth + 1)), { once: true });
  return details;
}

/** A value to begin with: what has to be there, and nothing else. */
function sample(schema, depth = 0) {
  const full = resolve(schema);
  if (full.example !== undefined) return full.example;
  if (full.const !== undefined) return full.const;
  if (full.enum) return full.enum[0];
  const among = choices(full);
  if (among.length) return sample(among[0], depth);
  const type = [full.type].flat()[0];
  if (type === "object" && depth < DEEPEST) {
    const needed = Object.entries(full.properties ?? {}).filter(([name]) => full.required?.includes(name));
    return Object.fromEntries(needed.map(([name, member]) => [name, sample(member, depth + 1)]));
  }
  if (type === "array") return full.minItems ? [sample(full.items, depth + 1)] : [];
  if (type === "integer" || type === "number") return Math.max(full.minimum ?? 0, 0);
  if (type === "boolean") return false;
  return full.format === "date-time" ? new Date(Date.now() + 3600e3).toISOString() : "";
}

function operations() {
  const all = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((method) => item[method])) all.push({ path, method: method.toUpperCase(), ...item[method] });
  }
  return all;
}

function list() {
  const wanted = byId("filter").value.toLowerCase();
  const fits = (operation) => `${operation.method} ${operation.path} ${operation.summary}`.toLowerCase().includes(wanted);
  const current = decodeURIComponent(location.hash.slice(1));
  byId("operations").replaceChildren(...api.tags.map(({ name }) => {
    const found = operations().filter((operation) => operation.tags[0] === name && fits(operation));
    if (!found.length) return "";
    return element("section", {}, element("h2", {}, name), found.map((operation) =>
      element("a", { href: `#${operation.operationId}`, title: operation.summary, "aria-current": operation.operationId === current && "page" },
        element("span", { class: `method ${operation.method}` }, operation.method), operation.path.replace("/api/v1", ""))));
  }));
}

/** The field of one parameter. */
function field(parameter) {
  const input = element("input", { name: parameter.name, placeholder: parameter.required ? "" : "absent", "aria-label": parameter.name });
  return {
    parameter,
    input,
    row: element("tr", {},
      element("td", { class: parameter.required ? "needed" : "" }, element("code", {}, parameter.name), element("div", { class: "kind" }, parameter.in)),
      element("td", {}, input, " ", element("span", { class: "kind" }, kind(parameter.schema)), element("p", {}, prose(parameter.description)))),
  };
}

function show() {
  list();
  const operation = operations().find((operation) => operation.operationId === decodeURIComponent(location.hash.slice(1)));
  byId("main").replaceChildren(...(operation ? reference(operation) : introduction()));
  byId("main").scrollTop = 0;
}

function introduction() {
  const { info, components } = api;
  const schemes = Object.entries(components.securitySchemes).map(([name, scheme]) => element("p", {}, element("b", {}, name), ": ", prose(scheme.description)));
  return [element("h2", {}, `${info.title} ${info.version}`), element("p", {}, info.summary), element("p", {}, prose(info.description)), ...schemes];
}

function reference(operation) {
  // The tenant has a field of its own, above.
  const parameters = (operation.parameters ?? []).map(resolve).filter((parameter) => parameter.name !== "stopleak-tenant");
  const fields = parameters.map(field);
  const [mediaType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const start = mediaType === "application/json" ? JSON.stringify(sample(content.schema), null, 2) : "";
  const body = content && element("textarea", { "aria-label": "Body", spellcheck: "false" }, start);
  const answer = element("div", { "data-test": "answer", "aria-live": "polite" });
  const go = () => send(operation, fields, mediaType, body?.value, answer);
  const needs = operation["x-roles"] ? `Needs a role: ${operation["x-roles"].join(", ")}.` : "Open to all.";
  return [
    element("h2", {}, element("span", { class: `method ${operation.method}` }, operation.method), " ", element("code", {}, operation.path)),
    element("p", {}, prose(operation.summary), ". ", needs),
    fields.length ? element("h3", {}, "Parameters") : "",
    fields.length ? element("table", {}, fields.map(({ row }) => row)) : "",
    body ? [element("h3", {}, "Body ", element("span", { class: "kind" }, mediaType)), body, members(content.schema) ?? ""] : "",
    element("p", {}, element("button", { type: "button", click: go, "data-test": "send" }, "Send")),
    answer,
    element("h3", {}, "Answers"),
    element("table", {}, Object.entries(operation.responses).map(([status, response]) => element("tr", {}, element("td", {}, status), answered(resolve(response))))),
  ].flat();
}

function answered(response) {
  const headers = Object.keys(response.headers ?? {}).map((name) => element("code", {}, name)).flatMap((name) => [" ", name]);
  const isProblem = response.content?.["application/problem+json"];
  const shown = isProblem ? [] : Object.entries(response.content ?? {}).map(([type, { schema }]) => element("div", {}, element("code", {}, type), " ", kind(schema), nested(schema, 0)));
  return element("td", {}, element("p", {}, isProblem ? "Problem: " : "", prose(response.description)), shown, headers.length ? element("p", { class: "kind" }, "Headers:", headers) : "");
}

/** Whom the request is of: the token in the field, or this browser's session. */
function credentials(method) {
  const headers = {};
  const [token, tenant] = [byId("token").value.trim(), byId("tenant").value.trim()];
  if (token) headers.authorization = `Bearer ${token}`;
  else if (csrf && method !== "GET") headers["x-csrf-token"] = csrf;
  if (tenant) headers["stopleak-tenant"] = tenant;
  return headers;
}

async function send(operation, fields, mediaType, body, answer) {
  const { method } = operation;
  const headers = credentials(method);
  const query = new URLSearchParams();
  let path = operation.path;
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "" && parameter.in === "query") query.append(parameter.name, input.value);
    else if (input.value !== "") headers[parameter.name] = input.value;
  }
  if (mediaType) headers["content-type"] = mediaType;
  const url = path + (query.size ? `?${query}` : "");
  try {
    const response = await fetch(url, { method, headers, body, credentials: "same-origin", redirect: "manual" });
    const text = await response.text();
    const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    answer.replaceChildren(
      element("h3", { class: response.ok ? "" : "bad" }, response.type === "opaqueredirect" ? "It leads to another page" : `${response.status} ${response.statusText}`),
      element("p", {}, element("code", {}, `${method} ${url}`)),
      element("details", {}, element("summary", {}, "headers"), element("pre", {}, lines)),
      element("pre", { "data-test": "answer-body" }, pretty(text)));
  } catch (error) {
    answer.replaceChildren(element("p", { class: "bad" }, `The request was not sent, or not answered: ${error.message}`));
  }
  who();
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Tells whom requests are of. */
async function who() {
  const response = await fetch("/api/v1/session", { headers: credentials("GET"), credentials: "same-origin" });
  const caller = response.ok ? await response.json() : null;
  csrf = caller?.csrf_token ?? null;
  byId("caller").textContent = caller ? `${caller.name}, ${caller.role} of ${caller.tenant}` : "nobody: give a token, or sign in";
}

async function start() {
  const response = await fetch("/api/v1/openapi.json");
  if (!response.ok) throw new Error(`the document is not there: ${response.status}`);
  api = await response.json();
  byId("filter").addEventListener("input", list);
  for (const id of ["token", "tenant"]) byId(id).addEventListener("change", who);
  window.addEventListener("hashchange", show);
  show();
  await who();
}

start().catch((error) => byId("main").replaceChildren(`This page could not be made: ${error.message}`));
