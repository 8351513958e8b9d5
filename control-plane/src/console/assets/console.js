// What pages do beside links and forms: times in the reader's zone, menus that close, and selections that are counted.
"use strict";
(() => {
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  // Hovering tells UTC, which was the text until now; of an age, both.
  function tellTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]:not([data-told])")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const utc = time.title || time.textContent;
      time.dataset.told = "";
      if ("age" in time.dataset) {
        time.title = `${local.format(at)} · ${utc}`;
      } else {
        time.textContent = local.format(at);
        time.title = utc;
      }
    }
  }

  function closeMenus(except) {
    for (const menu of document.querySelectorAll("[data-menu][open]")) {
      if (menu !== except) menu.open = false;
    }
  }

  // A decision needs something to decide on; the risk belongs to one action only.
  function watchSelection(form) {
    const boxes = () => [...form.querySelectorAll("[name=leaks]")];
    const all = form.querySelector("[data-all]");
    const decide = form.querySelector("[data-decide]");
    if (!all || !decide) return;
    const [told, action, risk, button] = ["[data-selected]", "[data-action]", "[data-risk]", "button"].map((part) => decide.querySelector(part));
    const renew = () => {
      const selected = boxes().filter((box) => box.checked).length;
      told.textContent = selected ? `${selected} selected` : "Select leaks to decide on them";
      button.disabled = !selected;
      all.checked = selected > 0 && selected === boxes().length;
      all.indeterminate = selected > 0 && !all.checked;
      risk.hidden = action.value !== "set_risk";
    };
    form.addEventListener("change", (event) => {
      if (event.target === all) for (const box of boxes()) box.checked = all.checked;
      renew();
    });
    renew();
  }

  // What has to be somewhere else is taken along with a click.
  function offerCopies(root) {
    for (const text of root.querySelectorAll("[data-copy]:not([data-offered])")) {
      if (!navigator.clipboard) return;
      text.dataset.offered = "";
      const button = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: "Copy" });
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      });
      text.before(button);
    }
  }

  function prepare(root) {
    tellTimes(root);
    offerCopies(root);
    for (const form of root.querySelectorAll("[data-selection]")) watchSelection(form);
    for (const part of root.querySelectorAll("[data-without-script]")) part.hidden = true;
    for (const part of root.querySelectorAll("[data-keys]")) part.hidden = false;
    window.stopleak.charts(root);
  }

  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("[data-menu]"));
    if (event.target.closest("[data-keys]")) document.getElementById("keys").showModal();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement.closest("[data-menu][open]");
    closeMenus();
    if (menu) menu.querySelector("summary").focus();
  });
  // What was left empty is not asked for, and so not in the URL.
  document.addEventListener("htmx:configRequest", (event) => {
    const asked = event.detail.parameters;
    for (const name of [...asked.keys?.() ?? Object.keys(asked)]) if (asked[name] === "") delete asked[name];
  });
  document.addEventListener("htmx:afterSwap", () => prepare(document));
  // Where an answer is shown on the page, a refusal is, too.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (!("answer" in detail.target.dataset) || !detail.serverResponse.includes(`id="${detail.target.id}"`)) return;
    detail.shouldSwap = true;
    detail.isError = false;
  });
  // Anywhere else, what is wrong with the request is told by a page of its own.
  document.addEventListener("htmx:responseError", (event) => {
    if (!event.detail.xhr.getResponseHeader("hx-redirect")) window.location.assign(event.detail.pathInfo.finalRequestPath);
  });

  window.stopleak = {};
  document.addEventListener("DOMContentLoaded", () => prepare(document));
})();
