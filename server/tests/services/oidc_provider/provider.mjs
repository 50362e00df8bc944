// The certified provider of https://github.com/panva/node-oidc-provider with accounts, clients and keys that a test
// sets: POST /control takes what is to change, and the provider is made anew from it.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

const issuer = process.argv[2];
const port = Number(new URL(issuer).port);

const newKey = () => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  kid: randomUUID(), use: 'sig', alg: 'RS256',
});

const state = {
  clients: [], accounts: {}, keys: [newKey()], conformIdTokenClaims: true, delay: {}, answers: {}, seen: [],
};
let handler;

// What is under way outlives a change of clients or keys.
const stored = new Map();
class Adapter {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) { stored.set(this.key(id), { ...payload }); }
  async find(id) { return stored.get(this.key(id)); }
  async findByUid(uid) {
    return [...stored].find(([key, it]) => key.startsWith(`${this.model}:`) && it.uid === uid)?.[1];
  }
  async consume(id) { stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { stored.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const [key, it] of stored) if (it.grantId === grantId) stored.delete(key);
  }
}

function make() {
  const provider = new Provider(issuer, {
    adapter: Adapter,
    clients: state.clients,
    jwks: { keys: state.keys },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: state.conformIdTokenClaims,
    cookies: { keys: ['not a secret'] },
    pkce: { required: () => true },
    findAccount: (_, id) => (state.accounts[id] && {
      accountId: id, claims: () => ({ sub: id, ...state.accounts[id] }),
    }),
    features: { devInteractions: { enabled: true } },
  });
  handler = provider.callback();
}

async function control(request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { rotate, ...changes } = JSON.parse(body || '{}');
  Object.assign(state, changes);
  if (rotate) state.keys = [newKey()];
  if (rotate || 'clients' in changes || 'conformIdTokenClaims' in changes) make();
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ seen: state.seen }));
}

make();
createServer((request, response) => {
  const { pathname } = new URL(request.url, issuer);
  if (pathname === '/control') return control(request, response);
  state.seen.push(`${request.method} ${pathname}`);
  const serve = () => {
    const said = state.answers[pathname];
    if (!said) return handler(request, response);
    response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers });
    return response.end(JSON.stringify(said.body));
  };
  return state.delay[pathname] ? setTimeout(serve, state.delay[pathname]) : serve();
}).listen(port, '127.0.0.1', () => console.log('ready'));
