// The relying party of https://github.com/panva/openid-client, driven by one command per line of JSON: {do, …}; each is
// answered by one line. `issuer` is what it believes, `behind` is where that really listens.
import { createInterface } from 'node:readline';
import * as client from 'openid-client';

const { issuer, behind, client_id, client_secret, redirect_uri, method, now } = JSON.parse(process.argv[2]);

const proof = {
  basic: () => client.ClientSecretBasic(client_secret),
  post: () => client.ClientSecretPost(client_secret),
  none: () => client.None(),
  key: async () => client.PrivateKeyJwt({
    key: await crypto.subtle.importKey('jwk', JSON.parse(client_secret), { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']),
  }),
}[method];

const reach = (url, options) => fetch(String(url).replace(issuer, behind), options);

const config = await client.discovery(
  new URL(issuer), client_id, { [client.clockSkew]: now - Math.floor(Date.now() / 1000) }, await proof(),
  { [client.customFetch]: reach },
);
config[client.customFetch] = reach;

let pending; // the request under way: what its answer is checked against
let tokens;
let device;
let DPoP; // a key that tokens are bound to

const actions = {
  async bind() {
    DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  },

  // The address to send the browser to.
  async begin({ push, ...more }) {
    const verifier = client.randomPKCECodeVerifier();
    pending = { pkceCodeVerifier: verifier, expectedNonce: client.randomNonce(), expectedState: client.randomState() };
    const told = {
      redirect_uri, scope: 'openid email profile offline_access', ...more,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
      nonce: pending.expectedNonce, state: pending.expectedState,
    };
    const url = push
      ? await client.buildAuthorizationUrlWithPAR(config, told, { DPoP })
      : client.buildAuthorizationUrl(config, told);
    return { url: url.href };
  },

  // What the browser came back with.
  async finish({ url }) {
    tokens = await client.authorizationCodeGrant(
      config, new URL(url), { ...pending, idTokenExpected: true }, undefined, { DPoP },
    );
    return { ...tokens, claims: tokens.claims() };
  },

  async refresh() {
    tokens = { ...tokens, ...await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }) };
    return { ...tokens };
  },

  userinfo: ({ sub }) => client.fetchUserInfo(config, tokens.access_token, sub, { DPoP }),

  introspect: () => client.tokenIntrospection(config, tokens.access_token),

  async revoke() {
    await client.tokenRevocation(config, tokens.refresh_token);
  },

  service: ({ scope }) => client.clientCredentialsGrant(config, { scope }, { DPoP }),

  async device({ scope }) {
    device = await client.initiateDeviceAuthorization(config, { scope });
    return { ...device };
  },

  async poll() {
    tokens = await client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0 }, undefined, { DPoP });
    return { ...tokens };
  },

  leave: (more) => ({ url: client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, ...more }).href }),
};

console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...told } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: await actions[name](told) ?? {} }));
  } catch (error) {
    const { message, code, error: oauth, status } = error;
    console.log(JSON.stringify({ failed: { message, code, error: oauth, status, cause: String(error.cause) } }));
  }
}
