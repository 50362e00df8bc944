// What pages can do besides with a script: everything on them works without, passkeys excepted.
(() => {
  const b64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const json = (credential) => {
    const r = credential.response, made = { clientDataJSON: b64(r.clientDataJSON) };
    if (r.attestationObject) {
      made.attestationObject = b64(r.attestationObject);
      made.transports = r.getTransports ? r.getTransports() : [];
    } else {
      made.authenticatorData = b64(r.authenticatorData);
      made.signature = b64(r.signature);
      if (r.userHandle) made.userHandle = b64(r.userHandle);
    }
    return JSON.stringify({ id: b64(credential.rawId), type: credential.type, response: made });
  };
  const busy = (button, is) => { if (button) { button.toggleAttribute("aria-busy", is); if (is) button.setAttribute("aria-busy", "true"); } };

  // Passkeys: the form asks for options, the browser answers them, the form is sent with the answer.
  let waiting = null;
  const options = async (form) => {
    const reply = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" } });
    if (reply.status === 401 || reply.redirected) location.reload();  // the sign-in is over; the page knows where to go
    if (!reply.ok || reply.redirected) throw new Error(String(reply.status));
    const key = (await reply.json()).public_key;
    key.challenge = bytes(key.challenge);
    if (key.user) key.user.id = bytes(key.user.id);
    for (const list of [key.allowCredentials, key.excludeCredentials]) for (const one of list || []) one.id = bytes(one.id);
    return key;
  };
  const ask = async (form, mediation) => {
    if (waiting) waiting.abort();
    const mine = waiting = new AbortController();
    const publicKey = await options(form);
    const how = { publicKey, signal: mine.signal };
    if (mediation) how.mediation = mediation;
    form.elements.credential.value = json(await navigator.credentials[form.dataset.passkey](how));
    form.submit();
  };
  const able = window.PublicKeyCredential && navigator.credentials;
  if (!able) for (const note of document.querySelectorAll("[data-unable]")) note.hidden = false;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!able) continue;
    form.hidden = false;
    const told = form.querySelector("[role=alert]"), button = form.querySelector("[type=submit]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      told.hidden = true;
      busy(button, true);
      try { await ask(form); } catch (error) { if (error.name !== "AbortError") { told.hidden = false; busy(button, false); } }
    });
    if ("conditional" in form.dataset && PublicKeyCredential.isConditionalMediationAvailable) {
      PublicKeyCredential.isConditionalMediationAvailable().then((can) => can && ask(form, "conditional")).catch(() => {});
    }
  }

  // Forms are sent once; coming back with the back button they can be sent again.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.passkey) return;
    const button = event.submitter;
    if (button && !event.defaultPrevented) setTimeout(() => busy(button, true));
  });
  addEventListener("pageshow", () => document.querySelectorAll("[aria-busy]").forEach((b) => busy(b, false)));

  for (const button of document.querySelectorAll("[data-reveal]")) {
    const field = document.getElementById(button.dataset.reveal);
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = field.type === "text";
      field.type = shown ? "password" : "text";
      button.setAttribute("aria-pressed", String(!shown));
    });
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    const label = button.querySelector("[data-label]"), before = label.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText.trim());
      label.textContent = button.dataset.copied;
      setTimeout(() => { label.textContent = before; }, 2500);
    });
  }
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  const fault = document.getElementById("fault");
  if (fault) (document.querySelector("[aria-invalid=true]") || fault).focus();
})();
