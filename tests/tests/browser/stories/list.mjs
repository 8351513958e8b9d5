import { api, assert, at, becomes, play, signIn } from "./scene.mjs";

const titles = (page) => page.locator("[data-row] .title").allTextContents();
const count = (page) => page.getByTestId("count").locator("b").textContent();

await play(async (page) => {
  await signIn(page, "ada", "/t/default/leaks");
  const all = await count(page);

  // Filters are in the URL, and the charts follow.
  await page.getByLabel("Risk", { exact: true }).selectOption("critical");
  await page.waitForURL("**/leaks?risk=critical");
  await becomes("the list follows", async () => (await count(page)) !== all);
  assert.deepEqual(new Set(await page.locator("[data-row] .risk").allTextContents()), new Set(["Critical"]));
  const counted = await page.getByTestId("chart-risk").locator("tbody tr [data-value]").allTextContents();
  assert.deepEqual(counted, [await count(page), "0", "0", "0"]);
  await page.getByTestId("chart-status").getByRole("link", { name: "Closed" }).click();
  await page.waitForURL("**/leaks?risk=critical&status=closed");
  await page.getByRole("link", { name: /Risk Critical/ }).click();
  await page.waitForURL("**/leaks?status=closed");
  await page.goBack();
  await page.waitForURL("**/leaks?risk=critical&status=closed");
  assert.equal(await page.getByLabel("Status", { exact: true }).inputValue(), "closed");

  // By text, while one types.
  await page.goto("/t/default/leaks");
  await page.keyboard.press("/");
  await page.keyboard.type("hand 1");
  await page.waitForURL("**/leaks?text=hand*");
  await becomes("the list follows", async () => (await titles(page)).every((title) => title.includes("hand 1")));
  assert.equal(await page.getByLabel("Part of a title").inputValue(), "hand 1", "one goes on typing");
  await page.goBack();
  await becomes("the whole list is back", async () => (await count(page)) === all);

  // In any order, and back; the order stays with a filter.
  await page.getByRole("link", { name: "Title", exact: true }).click();
  const sorted = await titles(page);
  assert.deepEqual(sorted, [...sorted].sort());
  assert.equal(await page.getByRole("columnheader", { name: "Title" }).getAttribute("aria-sort"), "ascending");
  await page.getByRole("link", { name: "Title", exact: true }).click();
  await page.waitForURL("**/leaks?sort=-title");
  await page.getByTestId("chart-status").getByRole("link", { name: "Open" }).click();
  await page.waitForURL("**/leaks?sort=-title&status=open");

  // Page by page, each leak once.
  await page.goto("/t/default/leaks?sort=title");
  const first = await titles(page);
  await page.getByTestId("next").click();
  await page.waitForURL("**cursor=*");
  const second = await titles(page);
  assert.equal(first.length + second.length, Number(all));
  assert.equal(new Set([...first, ...second]).size, new Set(first).size + new Set(second).size);
  await page.getByRole("link", { name: "First page" }).click();
  assert.equal(at(page), "/t/default/leaks?sort=title");

  // Saved under a name, which only its owner sees, and forgotten.
  await page.goto("/t/default/leaks?risk=low&sort=title");
  await page.getByText("Save this list").click();
  await page.getByLabel("Name of the list").fill("Low <ones>");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.goto("/t/default/leaks");
  await page.getByRole("link", { name: "Low <ones>" }).click();
  await page.waitForURL("**/leaks?risk=low&sort=title");
  await page.getByRole("button", { name: "Forget Low <ones>" }).click();
  await becomes("it is forgotten", async () => (await page.getByTestId("views").locator("li").count()) === 0);
  assert.equal(at(page), "/t/default/leaks?risk=low&sort=title", "one stays there");

  // As a file, with the same conditions.
  await page.goto("/t/default/leaks?status=closed");
  const download = page.waitForEvent("download");
  await page.getByTestId("csv").click();
  const text = await (await (await download).createReadStream()).toArray();
  const lines = Buffer.concat(text).toString().trim().split("\n");
  assert.equal(lines.length, 1 + Number(await count(page)));
  const { leaks } = await api("GET", "/leaks?status=closed");
  assert.ok(leaks.every((leak) => lines.some((line) => line.startsWith(`${leak.id},`))));

  // What the page does not know is told, and is no defect.
  const answer = await page.goto("/t/default/leaks?status=nonsense");
  assert.equal(answer.status(), 400);
  await page.getByRole("heading", { name: "Malformed request" }).waitFor();
});
