import { api, assert, at, becomes, isFine, play, signIn, watched } from "./scene.mjs";

const marks = (page) => page.getByTestId("marks").textContent();
const decide = async (page, action, reason) => {
  await page.getByLabel("Reason").fill(reason);
  await page.getByTestId("decide").getByRole("button", { name: action }).click();
};

await play(async (page, browser) => {
  await signIn(page, "ada", "/t/default/leaks?status=open&patched=false");
  await page.locator("[data-row] .title").first().click();
  const path = at(page);
  const number = path.split("/").at(-1);
  await page.getByTestId("impact").getByText("would have refused nothing").waitFor();
  await isFine(page, "an open leak");

  // Patched, and undone; each with its reason, on record.
  await decide(page, "Apply virtual patch", "seen in public");
  await page.waitForURL("**#decided");
  assert.match(await marks(page), /Patched/);
  await becomes("the page hears how far it has come", async () => /No gateway is connected/.test(await page.getByTestId("reach").textContent()));
  await decide(page, "Remove virtual patch", "too early");
  await becomes("the patch is gone", async () => !/Patched/.test(await marks(page)));
  const story = page.getByTestId("story");
  assert.match(await story.locator("li").first().textContent(), /ada removed the virtual patch.*too early/s);
  assert.match(await story.locator("li").last().textContent(), /Found/);

  // Said, and assigned.
  await page.getByLabel("Comment").fill("<b>asked</b> the owner\nno answer yet");
  await page.getByRole("button", { name: "Comment" }).click();
  await story.getByText("<b>asked</b> the owner").waitFor();
  await page.getByLabel("Assignee").fill("grace");
  await page.getByRole("button", { name: "Assign" }).click();
  await becomes("it is hers", async () => (await api("GET", `/leaks/${number}`)).assignee === "grace");
  await page.getByLabel("Risk").selectOption("low");
  await page.getByRole("button", { name: "Set risk" }).click();
  await story.getByText("set the risk to low").waitFor();

  // Of two who decide at the same time, the second sees what the first did, and has lost no word.
  const other = await watched(browser);
  await other.goto(path);
  await decide(page, "Close", "rotated");
  await page.getByRole("button", { name: "Reopen" }).waitFor();
  await decide(other, "Apply virtual patch", "my reason");
  await other.getByTestId("wrong").waitFor();
  assert.equal(await other.getByLabel("Reason").inputValue(), "my reason");
  assert.match(await marks(other), /Closed/);
  assert.equal((await api("GET", `/leaks/${number}`)).status, "closed", "nothing was overwritten");
  await isFine(other, "a refused decision");

  // Weak tokens are named before they are blocked.
  const weak = await api("POST", "/leaks", { title: "Weak", tokens: ["changeme"] });
  await page.goto(`/t/default/leaks/${weak.number}`);
  await decide(page, "Apply virtual patch", "we know");
  await page.getByTestId("wrong").waitFor();
  await page.getByLabel(/Block weak tokens nevertheless/).check();
  await page.getByTestId("decide").getByRole("button", { name: "Apply virtual patch" }).click();
  await becomes("it is patched", async () => /Patched/.test(await marks(page)));
  assert.equal((await api("GET", `/leaks/${weak.number}`)).decisions.at(-1).reason, "we know");

  assert.equal((await page.goto("/t/default/leaks/99999")).status(), 404);
});
