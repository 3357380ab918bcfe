// Between a page and the extension (ページとの窓口). A page speaks as to Web eID: window.postMessage with an action
// `web-eid:…`; it gets `…-ack` at once and `…-success` or `…-failure` later. What the page says of itself is not believed.
"use strict";

const ACTIONS = new Map([
  ["web-eid:status", []],
  ["web-eid:authenticate", ["challengeNonce"]],
  ["web-eid:get-signing-certificate", []],
  ["web-eid:sign", ["certificate", "hash", "hashFunction"]],
]);
// A page may start these only while somebody is clicking or typing in it. `sign` follows upon `get-signing-certificate`,
// whose window may have been open for minutes; there it is enough that somebody has ever done something in the page.
const AT_A_GESTURE = new Set(["web-eid:authenticate", "web-eid:get-signing-certificate"]);

window.addEventListener("message", (event) => {
  const message = event.data;
  if (event.source !== window || event.origin !== location.origin || !ACTIONS.has(message?.action)) return;
  const { action } = message;
  const answer = (more) => window.postMessage(more, location.origin);
  const fail = (code, text) => answer({ action: `${action}-failure`, error: { code, message: text, name: "Error" } });

  answer({ action: `${action}-ack` });
  if (!window.isSecureContext) {
    fail("ERR_WEBEID_CONTEXT_INSECURE", "the connection to this page is not protected");
    return;
  }
  const activation = navigator.userActivation;
  if (AT_A_GESTURE.has(action) ? !activation.isActive : action === "web-eid:sign" && !activation.hasBeenActive) {
    fail("ERR_WEBEID_CONTEXT_INSECURE", "only at a click or a key press in the page");
    return;
  }
  const request = { action };
  for (const name of ACTIONS.get(action)) {
    if (typeof message[name] !== "string") {
      fail("ERR_WEBEID_MISSING_PARAMETER", `${name} is missing or not a text`);
      return;
    }
    request[name] = message[name];
  }
  const { lang, userInteractionTimeout } = message.options ?? {};
  if (typeof lang === "string") request.lang = lang;
  if (Number.isFinite(userInteractionTimeout)) request.timeout = userInteractionTimeout;
  try {
    // A line of its own for each request: it breaks when the page goes away, and then the window closes by itself.
    const line = chrome.runtime.connect();
    line.onDisconnect.addListener(() => fail("ERR_WEBEID_EXTENSION_UNAVAILABLE", "the extension was stopped"));
    line.onMessage.addListener((result) => {
      answer(result);
      line.disconnect();
    });
    line.postMessage(request);
  } catch {
    fail("ERR_WEBEID_EXTENSION_UNAVAILABLE", "the extension was updated or removed; load the page again");
  }
});
