// What every story has: a browser with a page, somebody before it, and what must be so on every page.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const scene = JSON.parse(process.env.STOPLEAK_SCENE);
const require = createRequire(`${scene.packages}/`);
const { chromium, selectors } = require("playwright-core");
selectors.setTestIdAttribute("data-test");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Longest that anything may take that somebody waits for.
const PATIENCE = 15_000;
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

// Plays a story and ends the browser; what was seen last is kept when it fails.
export async function play(story, options = {}) {
  const browser = await chromium.launchPersistentContext(scene.profile, {
    ...options,
    executablePath: scene.chromium, args: FLAGS, reducedMotion: "reduce", viewport: { width: 1280, height: 900 }, baseURL: scene.url,
  });
  const page = await watched(browser);
  try {
    await story(page, browser);
    assert.deepEqual(page.complaints, [], "the browser complains about nothing");
  } catch (error) {
    await page.screenshot({ path: `${scene.seen}.png`, fullPage: true });
    console.error(`at ${page.url()}: ${scene.seen}.png`);
    throw error;
  } finally {
    await browser.close();
  }
}

// A page whose errors are kept: a script that fails, and anything that the content security policy has refused.
export async function watched(browser) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (message) => {
    // A page with a status like 404 is told there, too: that is what the story is about.
    const isStatus = message.text().includes("responded with a status of");
    if (message.type() === "error" && !isStatus) page.complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(scene.url) && !request.url().startsWith("data:")) page.complaints.push(`asks ${request.url()}`);
  });
  return page;
}

export async function signIn(page, name, target = "/") {
  await page.goto(target);
  await fillIn(page, name, scene.password);
  await page.getByTestId("who").waitFor();
}

export async function fillIn(page, name, password) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

// A text like a token that nobody else has.
export function fakeToken() {
  return `fk_${randomBytes(18).toString("hex")}`;
}

// As the administrator's program.
export async function api(method, path, body) {
  const headers = { authorization: `Bearer ${scene.token}`, "content-type": "application/json" };
  const answer = await fetch(`${scene.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

// Waits until it is so.
export async function becomes(what, ask) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < end, `in vain: ${what}`);
    await new Promise((again) => setTimeout(again, 25));
  }
}

// The path and query that the page is at.
export function at(page) {
  const { pathname, search } = new URL(page.url());
  return pathname + search;
}

// Nothing that axe knows to be wrong, and nothing that sticks out.
export async function isFine(page, what) {
  await becomes("charts are drawn", () => page.evaluate(() => {
    for (const canvas of document.querySelectorAll("[data-canvas]:not([hidden])")) canvas.scrollIntoView();
    return !document.querySelector("[data-canvas]:not([data-drawn])");
  }));
  const session = await page.context().newCDPSession(page);
  // The page's own policy would not let it in.
  await session.send("Runtime.evaluate", { expression: axe });
  const { violations } = await page.evaluate((rules) => window.axe.run(document, { runOnly: rules }), RULES);
  const told = violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(told, [], what);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `${what}: sticks out by ${over}`);
}

export { assert, scene };
