// A single-page app as small as one can be. The access token lives in this module's memory and nowhere else; the refresh
// token is in a cookie that no script can read. Each button and form names in `data-do` the action below that it calls.

import { create, forgetOthers, sign } from "./passkeys.js"

const { api } = await (await fetch("/config.json")).json()

let accessToken = "" // gone with the page: a reload asks for another one, with the cookie
let sessionToken = "" // of a sign-in that is not finished yet

class Refused extends Error {
  constructor(status, { code, message }) {
    super(message)
    Object.assign(this, { status, code })
  }
}

async function send(method, path, body) {
  const answer = await fetch(`${api}/api/v1${path}`, {
    method,
    credentials: "include",
    headers: {
      ...(method === "GET" ? {} : { "Content-Type": "application/json" }),
      ...(accessToken ? { Authorization: `Bearer ${accessToken}` } : {}),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await answer.text()
  const told = text ? JSON.parse(text) : null
  if (!answer.ok) throw new Refused(answer.status, told.error)
  return told
}

// A wrong code is a 401 too; only these two say that the session or its access token is over.
const isOver = ({ code }) => ["invalid_token", "token_revoked"].includes(code)

// A request of somebody who is signed in: an access token that is not good any more is renewed once.
async function ask(method, path, body) {
  try {
    return await send(method, path, body)
  } catch (refused) {
    if (!isOver(refused)) throw refused
  }
  await renew()
  return await send(method, path, body)
}

async function renew() {
  try {
    signedIn(await send("POST", "/auth/refresh"))
  } catch (refused) {
    accessToken = ""
    throw refused
  }
}

// What every way to sign in answers: a session, or the next step.
function proceed(told) {
  if (told.access_token) {
    signedIn(told)
    return showAccount(told.user)
  }
  sessionToken = told.session_token
  return told.mfa_setup_required ? actions.setUp() : show("second-factor")
}

function signedIn({ access_token }) {
  accessToken = access_token
  sessionToken = ""
}

const proof = () => (accessToken ? {} : { session_token: sessionToken })

const actions = {
  async signIn({ email, password }) {
    return proceed(await send("POST", "/auth/login", { email, password }))
  },

  async signInElsewhere({ email }) {
    const { sso } = await send("POST", "/auth/check-method", { email })
    if (!sso) throw new Error("Your organisation has no sign-in of its own.")
    location.assign(new URL(sso.login_url, api))
  },

  async verify({ code }) {
    const named = code.replace(/[ -]/g, "").length === 6 ? { totp_code: code } : { recovery_code: code }
    return proceed(await send("POST", "/auth/mfa/verify", { session_token: sessionToken, ...named }))
  },

  async setUp() {
    show("mfa-setup")
    const { secret, qr_svg } = await ask("POST", "/auth/mfa/setup", proof())
    at("#secret").textContent = secret
    at("#qr").src = `data:image/svg+xml,${encodeURIComponent(qr_svg)}`
  },

  async enable({ code }) {
    const told = await send("POST", "/auth/mfa/enable", { totp_code: code, ...proof() })
    if (told.access_token) signedIn(told)
    show("recovery-codes")
    at("#codes").append(...told.recovery_codes.map((code) => Object.assign(document.createElement("li"), { textContent: code })))
  },

  async signInWithPasskey() {
    const { public_key } = await send("POST", "/auth/passkeys/login/options")
    return proceed(await send("POST", "/auth/passkeys/login", { credential: await sign(public_key) }))
  },

  async verifyWithPasskey() {
    const { public_key } = await send("POST", "/auth/passkeys/mfa/options", { session_token: sessionToken })
    const credential = await sign(public_key)
    return proceed(await send("POST", "/auth/passkeys/mfa", { session_token: sessionToken, credential }))
  },

  async addPasskey({ name } = {}) {
    const { public_key } = await ask("POST", "/auth/passkeys/register/options", proof())
    const credential = await create(public_key)
    const told = await ask("POST", "/auth/passkeys/register", { credential, ...(name ? { name } : {}), ...proof() })
    return told.access_token ? proceed(told) : actions.passkeys()
  },

  async renamePasskey({ id, name }) {
    await ask("PATCH", `/auth/passkeys/${id}`, { name })
    return actions.passkeys()
  },

  async removePasskey({ id }) {
    await ask("DELETE", `/auth/passkeys/${id}`)
    return actions.passkeys()
  },

  async passkeys() {
    const { data, rp_id, user_handle } = await ask("GET", "/auth/passkeys")
    show("passkeys")
    for (const { id, name } of data) {
      const row = at("#passkey").content.cloneNode(true)
      row.querySelector("[name=id]").value = id
      row.querySelector("[name=name]").value = name
      row.querySelector("button[data-do]").dataset.id = id
      at("#list").append(row)
    }
    if (user_handle) await forgetOthers(rp_id, user_handle, data.map(({ credential_id }) => credential_id))
    at("#view").dataset.shown = String(++shown)
  },

  async done() {
    return showAccount(await ask("GET", "/auth/me"))
  },

  async whoAmI() {
    return showAccount(await ask("GET", "/auth/me"))
  },

  async refresh() {
    await renew()
    return showAccount(await send("GET", "/auth/me"))
  },

  async logOut() {
    await send("POST", "/auth/logout")
    accessToken = ""
    show("sign-in")
  },
}

const at = (selector) => document.querySelector(selector)

function show(view) {
  at("#problem").textContent = ""
  at("#view").replaceChildren(document.getElementById(view).content.cloneNode(true))
  at("#view").dataset.view = view
  if (view === "sign-in") at("#microsoft").href = `${api}/api/v1/auth/microsoft/login`
}

let shown = 0
function showAccount(me) {
  show("account")
  at("#name").textContent = me.full_name
  at("#me").textContent = JSON.stringify(me, null, 2)
  at("#view").dataset.shown = String(++shown) // lets a test tell a new answer from the last one
}

async function act(name, fields) {
  try {
    at("#problem").textContent = ""
    await actions[name](fields)
  } catch (problem) {
    if (isOver(problem) && !sessionToken && at("#view").dataset.view !== "sign-in") show("sign-in")
    at("#problem").textContent = problem.code ?? problem.message
  }
}

document.addEventListener("submit", (event) => {
  event.preventDefault()
  void act(event.target.dataset.do, Object.fromEntries(new FormData(event.target)))
})
document.addEventListener("click", (event) => {
  const { do: name, ...fields } = event.target.closest("button")?.dataset ?? {}
  if (name) void act(name, fields)
})

async function start() {
  if (location.pathname === "/auth/callback") {
    const told = new URLSearchParams(location.search)
    history.replaceState(null, "", "/") // the code leaves the address bar and the history before it is used
    show("sign-in")
    if (told.has("error")) throw new Refused(401, { code: told.get("error"), message: told.get("error") })
    return proceed(await send("POST", "/auth/exchange", { code: told.get("code") }))
  }
  try {
    await renew() // silent restore
  } catch (refused) {
    show("sign-in")
    if (refused.status !== 401) throw refused
    return
  }
  await actions.whoAmI()
}

start().catch((problem) => {
  if (at("#view").dataset.view === "loading") show("sign-in")
  at("#problem").textContent = problem.code ?? problem.message
})
