// Adding a leak: what is pasted is read by the module in this page, line by line, and only what it says of the tokens is sent.
const script = document.currentScript;
document.addEventListener("DOMContentLoaded", () => {
  "use strict";
  const form = document.querySelector("[data-add]");
  const [tokens, file, wrong, part, rows, summary, button] =
    ["[data-tokens]", "[data-file]", "[data-wrong]", "[data-lines-part]", "[data-lines]", "[data-summary]", "button"].map((part) => form.querySelector(part));
  // Rows that somebody looks through; what is wrong comes first.
  const SHOWN = 200;
  const LARGEST_FILE = 4 * 1024 * 1024;
  const STATES = {
    taken: ["good", "Is added"],
    duplicate: ["false", "Stands above already"],
    too_short: ["bad", "Too short: it would match ordinary requests"],
    too_long: ["bad", "Too long for a token"],
    no_token: ["bad", "Words, and no token of a known format among them"],
    too_many: ["bad", "Too many for one leak; make another"],
  };
  const WEAK = {
    short: "short", placeholder: "a placeholder", ordinary: "part of ordinary requests", low_entropy: "too regular",
  };
  let asked, keys, hasher, lines = [];

  // From here on no form sends the field, whatever else happens.
  tokens.removeAttribute("name");

  const tell = (title, detail) => {
    const notice = document.createElement("div");
    notice.className = "notice bad";
    notice.setAttribute("role", "alert");
    notice.dataset.test = "wrong";
    notice.append(Object.assign(document.createElement("b"), { textContent: title }), Object.assign(document.createElement("p"), { textContent: detail }));
    wrong.replaceChildren(notice);
    notice.scrollIntoView({ block: "nearest" });
  };

  function withModule(works) {
    for (const part of form.querySelectorAll("[data-with-module]")) part.hidden = !works;
    for (const part of form.querySelectorAll("[data-without-module]")) part.hidden = works;
    if (works) return;
    // Somebody has to see that before they send.
    tokens.name = "tokens";
    tell("This browser cannot make fingerprints", "What you send now is sent as tokens, as the page says below.");
  }

  const module = wasm_bindgen({ module_or_path: script.dataset.module }).then(() => withModule(true), () => withModule(false));

  // Once somebody has something to read: that keys were handed out is on record.
  async function askForKeys() {
    const answer = await fetch(form.dataset.keysFrom, { method: "POST", headers: { "x-csrf-token": form.elements.csrf.value } });
    if (!answer.ok) throw Object.assign(new Error("no keys"), { status: answer.status });
    keys = await answer.json();
    const secrets = Uint8Array.from(keys.keys.match(/../g), (digits) => parseInt(digits, 16));
    keys.keys = undefined;
    hasher = wasm_bindgen.Hasher.under(secrets, keys.public_checks);
  }

  async function prepare() {
    await module;
    if (tokens.name) return;
    asked ??= askForKeys();
    try {
      await asked;
    } catch (error) {
      asked = undefined;
      throw error;
    }
  }

  function show() {
    const taken = lines.filter((line) => line.state === "taken");
    const refused = lines.filter((line) => line.state !== "taken");
    part.hidden = !lines.length;
    summary.textContent = `${taken.length} ${taken.length === 1 ? "token" : "tokens"}` + (refused.length ? `, ${refused.length} not added` : "");
    const cells = [...refused, ...taken].slice(0, SHOWN).map((line) => {
      const row = document.createElement("tr");
      const [number, token, what] = [0, 1, 2].map(() => row.insertCell());
      number.className = "number";
      number.textContent = line.line;
      token.append(Object.assign(document.createElement("code"), { textContent: line.preview }));
      const [tone, name] = STATES[line.state];
      what.append(Object.assign(document.createElement("span"), { className: `mark ${tone}`, textContent: name }));
      if (line.weakness) what.append(" ", Object.assign(document.createElement("span"), { className: "mark wait", textContent: `Weak: ${WEAK[line.weakness]}` }));
      if (line.rule) what.append(" ", Object.assign(document.createElement("span"), { className: "quiet", textContent: line.rule }));
      return row;
    });
    rows.replaceChildren(...cells);
  }

  async function read() {
    try {
      await prepare();
    } catch (error) {
      return refused(error.status);
    }
    if (hasher) lines = JSON.parse(hasher.read(tokens.value));
    show();
  }

  function refused(status) {
    if (status === 401 || status === 403) tell("Your session has ended", "Sign in again in another window, then send this once more: what you have filled in is still here.");
    else tell("The server does not answer", "What you have filled in is still here; send it again.");
  }

  // Somebody else's session, or a new one, has another token for forms.
  async function renew() {
    const page = new DOMParser().parseFromString(await (await fetch(window.location.pathname, { headers: { accept: "text/html" } })).text(), "text/html");
    const csrf = page.querySelector("[data-add] [name=csrf]")?.value;
    if (csrf) form.elements.csrf.value = csrf;
  }

  async function send() {
    await renew();
    await read();
    const sent = lines.filter((line) => line.sent).map((line) => line.sent);
    if (!sent.length) return lines.length && tell("There is no token in it", "Each line says what is wrong with it.");
    const body = new URLSearchParams({
      csrf: form.elements.csrf.value, title: form.elements.title.value, risk: form.elements.risk.value,
      key_check: keys.key_check, second_key_check: keys.second_key_check ?? "", fingerprinted: sent.join("\n"),
    });
    const answer = await fetch(form.action, { method: "POST", headers: { accept: "text/html" }, body });
    if (answer.ok) {
      tokens.value = "";
      return window.location.assign(answer.url);
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const told = page.querySelector("[data-wrong] .notice");
    if (told) wrong.replaceChildren(document.adoptNode(told));
    else refused(answer.status);
  }

  tokens.addEventListener("input", read);
  file.addEventListener("change", () => take(file.files[0]));
  tokens.addEventListener("dragover", (event) => event.preventDefault());
  tokens.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  async function take(chosen) {
    if (!chosen) return;
    if (chosen.size > LARGEST_FILE) return tell("The file is too large", "Four megabytes are read at most.");
    tokens.value = await chosen.text();
    file.value = "";
    await read();
  }
  form.addEventListener("submit", async (event) => {
    if (tokens.name) return;
    event.preventDefault();
    button.disabled = true;
    try {
      await module;
      if (!tokens.name) await send();
    } catch {
      refused();
    } finally {
      button.disabled = false;
    }
  });
});
