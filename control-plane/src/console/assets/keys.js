// The keyboard in a list: j and k go, Enter opens, x selects, p patches, / finds, ? tells.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const here = () => document.querySelector("[data-row].at");

  function go(step) {
    const all = rows();
    if (!all.length) return;
    const now = all.indexOf(here());
    const next = all[Math.min(Math.max(now + step, 0), all.length - 1)];
    here()?.classList.remove("at");
    next.classList.add("at");
    next.scrollIntoView({ block: "nearest" });
    next.querySelector(".title").focus({ preventScroll: true });
  }

  function select(row, checked) {
    const box = row?.querySelector("[name=leaks]");
    if (!box) return false;
    box.checked = checked ?? !box.checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  function patch() {
    const decide = document.querySelector("[data-decide]");
    if (!decide) return;
    if (!document.querySelector("[name=leaks]:checked")) select(here(), true);
    const action = decide.querySelector("[data-action]");
    action.value = "apply_virtual_patch";
    action.dispatchEvent(new Event("change", { bubbles: true }));
    decide.querySelector("[data-reason]").focus();
  }

  const keys = {
    j: () => go(1),
    k: () => go(-1),
    x: () => select(here()),
    p: patch,
    "/": () => document.getElementById("text")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const types = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
    if (types || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
})();
