// Passkeys in the browser: the server's options go in as they are, what the authenticator answers goes back as JSON.

// A new key, made by an authenticator of this browser.
export async function create(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
  return (await navigator.credentials.create({ publicKey }).catch(named)).toJSON()
}

// A signature by a key that an authenticator of this browser has.
export async function sign(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
  return (await navigator.credentials.get({ publicKey }).catch(named)).toJSON()
}

// Tell the browser which keys still count, so that it stops offering the others; not every browser listens.
export async function forgetOthers(rpId, userId, allAcceptedCredentialIds) {
  await PublicKeyCredential.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds })
}

// Browsers say in an exception's name what happened: `NotAllowedError`, `InvalidStateError`.
function named({ name }) {
  throw new Error(name)
}
