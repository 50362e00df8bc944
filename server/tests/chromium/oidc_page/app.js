// A single-page app that signs people in through npm `oidc-client-ts`, as its manual shows it.

const { authority, client_id } = await (await fetch("/config.json")).json()
const { UserManager, WebStorageStateStore } = window.oidc

const manager = new UserManager({
  authority,
  client_id,
  redirect_uri: `${location.origin}/callback`,
  post_logout_redirect_uri: `${location.origin}/signed-out`,
  silent_redirect_uri: `${location.origin}/silent`,
  scope: "openid email profile offline_access",
  loadUserInfo: true,
  automaticSilentRenew: false,
  userStore: new WebStorageStateStore({ store: window.sessionStorage }),
})
window.manager = manager

function show(status, user) {
  document.querySelector("#told").textContent = user ? JSON.stringify({
    profile: user.profile, expires_in: user.expires_in, access_token: user.access_token,
  }) : ""
  document.querySelector("#status").textContent = status
}

async function shown(action) {
  try {
    show("signed in", await action())
  } catch (error) {
    show(`failed: ${error.message}`)
  }
}

window.signIn = (more) => manager.signinRedirect(more)
window.renew = () => shown(() => manager.signinSilent())
window.leave = () => manager.signoutRedirect()

if (location.pathname === "/callback") {
  await shown(() => manager.signinRedirectCallback())
  history.replaceState(null, "", "/")
} else if (location.pathname === "/signed-out") {
  await manager.signoutRedirectCallback()
  show("signed out")
} else {
  const user = await manager.getUser()
  show(user ? "signed in" : "ready", user)
}
