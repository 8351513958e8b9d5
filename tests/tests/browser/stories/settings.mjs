import { api, assert, becomes, isFine, play, scene, signIn } from "./scene.mjs";

await play(async (page) => {
  await api("POST", "/policies", { name: "old ones", action: "close", age_days: 900, risk: "low" });
  await signIn(page, "ada", "/t/default/settings");
  await isFine(page, "settings");

  // A pause begins with a reason, and ends.
  const rails = page.getByTestId("guard-rails");
  await rails.getByLabel("Reason for a pause").fill("a customer is blocked");
  await rails.getByRole("button", { name: "Pause all" }).click();
  await rails.getByText("a customer is blocked").waitFor();
  assert.equal((await api("GET", "/pause")).pause.author, "ada");
  await rails.getByRole("button", { name: "End the pause" }).click();
  await rails.getByText("are not paused").waitFor();
  await rails.getByRole("button", { name: "Want a second administrator" }).click();
  await rails.getByText("take two administrators").waitFor();
  assert.equal(await rails.getByRole("button", { name: "Let one" }).count(), 0, "that takes a global administrator");

  const closed = page.getByTestId("closed-leaks");
  await closed.getByLabel("Days").fill("9");
  await closed.getByLabel("When used").selectOption("alarm");
  await closed.getByRole("button", { name: "Save" }).click();
  await becomes("it is saved", async () => (await api("GET", "/settings/closed-leaks")).observe_days === 9);

  // What a blocked request is answered, and back.
  const response = page.getByTestId("response");
  await response.getByText("Another response").click();
  await response.getByRole("spinbutton", { name: "Status" }).fill("451");
  await response.getByLabel("Type of its content").fill("text/plain");
  await response.getByRole("textbox", { name: "Further headers" }).fill("x-reason: leaked");
  await response.getByRole("textbox", { name: "Body" }).fill("gone\nfor good");
  await response.getByRole("button", { name: "Save" }).click();
  await response.getByText("Status 451").waitFor();
  const chosen = await api("GET", "/settings/response");
  assert.deepEqual([chosen.status, chosen.headers[0], chosen.body], [451, { name: "x-reason", value: "leaked" }, "gone\nfor good"]);
  await response.getByText("Another response").click();
  await response.getByRole("button", { name: "Back to the usual one" }).click();
  await response.getByText("the usual one").waitFor();

  const channels = page.getByTestId("channels");
  await channels.getByLabel("Name of the channel").fill("soc");
  await channels.getByLabel("Kind").selectOption("slack");
  await channels.getByLabel("Address").fill("https://stopleak.invalid/hook");
  await channels.getByRole("button", { name: "Add a channel" }).click();
  await channels.getByRole("button", { name: "Switch off" }).click();
  await channels.getByRole("button", { name: "Switch on" }).waitFor();
  await channels.getByRole("button", { name: "Remove" }).click();
  await channels.getByText("There are no channels").waitFor();

  const policies = page.getByTestId("policies");
  await policies.getByText("Write a policy").click();
  await policies.getByLabel("Name of the policy").fill("dead ones");
  await policies.getByLabel("Does").selectOption("close");
  await policies.getByLabel("Whose tokens are").selectOption("dead");
  await policies.getByLabel("For days").fill("30");
  await policies.getByRole("button", { name: "Write it" }).click();
  await policies.getByText("dead for 30 days").waitFor();
  const { policies: [written] } = await api("GET", "/policies?text=dead");
  await api("DELETE", `/policies/${written.id}`);
  await page.reload();

  await policies.getByRole("button", { name: "Switch on" }).click();
  await policies.getByRole("button", { name: "Switch off" }).waitFor();
  await policies.getByRole("button", { name: "Remove" }).click();
  await policies.getByText("There are none").waitFor();

  // People come and go.
  const people = page.getByTestId("people");
  await people.getByLabel("Name").fill("grace");
  await people.getByLabel("Password").fill("changemechangeme");
  await people.getByRole("button", { name: "Add" }).click();
  await page.getByTestId("wrong").waitFor();
  await people.getByLabel("Name").fill("grace");
  await people.getByLabel("Password").fill(scene.password);
  await people.getByRole("button", { name: "Add" }).click();
  const grace = people.getByRole("row").filter({ hasText: "grace" });
  await grace.getByLabel("Role of grace").selectOption("analyst");
  await grace.getByRole("button", { name: "Change role" }).click();
  await becomes("grace looks on", async () => (await api("GET", "/users?text=grace")).users[0].role === "analyst");
  await grace.getByRole("button", { name: "Remove" }).click();
  await becomes("grace is gone", async () => (await api("GET", "/users?text=grace")).users.length === 0);

  // A token is shown once.
  const tokens = page.getByTestId("api-tokens");
  await tokens.getByLabel("Name").fill("pipeline");
  await tokens.getByRole("button", { name: "Make a token" }).click();
  const token = await page.getByTestId("new-token").locator("code").textContent();
  const answer = await fetch(`${scene.url}/api/v1/leaks`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200);
  await page.goto("/t/default/settings");
  assert.equal(await page.getByTestId("new-token").count(), 0);
  await tokens.getByRole("row").filter({ hasText: "pipeline" }).getByRole("button", { name: "Revoke" }).click();
  await becomes("it is revoked", async () => (await fetch(`${scene.url}/api/v1/leaks`, { headers: { authorization: `Bearer ${token}` } })).status === 401);
});
