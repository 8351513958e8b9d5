// Trying a request: what matched is marked in the text as it was sent, which the server does not send back.
"use strict";
(() => {
  let sent = "";
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.elt.matches("[data-try]")) sent = detail.elt.elements.request.value;
  });
  document.addEventListener("htmx:afterSwap", () => {
    const marked = document.querySelector("[data-marked]");
    if (!marked || !sent) return;
    // Places are told in bytes.
    const bytes = new TextEncoder().encode(sent);
    const text = (from, to) => new TextDecoder().decode(bytes.subarray(from, to));
    const places = [...document.querySelectorAll("#verdict [data-start]")]
      .map((row) => [Number(row.dataset.start), Number(row.dataset.end)]).sort(([a], [b]) => a - b);
    let at = 0;
    for (const [start, end] of places) {
      if (start < at) continue;
      const mark = Object.assign(document.createElement("mark"), { textContent: text(start, end) });
      marked.append(text(at, start), mark);
      at = end;
    }
    if (!at) return;
    marked.append(text(at));
    marked.hidden = false;
  });
})();
