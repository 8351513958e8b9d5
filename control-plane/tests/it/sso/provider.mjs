// A real OpenID provider on a free port of this machine, for the tests of single sign-on.
// Usage: node provider.mjs FOLDER-OF-oidc-provider REDIRECT-URI. Prints its issuer.
// Everybody may sign in, by any name; GET /groups/ada/security,staff puts ada into these groups.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';

// Its warnings are not for standard output, of which nobody reads more than the first line.
console.info = console.warn = console.error;

const [, , folder, redirect] = process.argv;
const { default: Provider } = await import(`${folder}/node_modules/oidc-provider/lib/index.js`);

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const groups = new Map();
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'stopleak', client_secret: 'of-the-test', redirect_uris: [redirect] }],
    jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'test' }] },
    cookies: { keys: ['of-the-test'] },
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    // As most providers do it: the ID token has what the scopes ask for.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: groups.get(id) ?? [] }),
    }),
  });
  provider.on('server_error', (_, error) => console.error(error));
  const answer = provider.callback();
  server.on('request', (request, response) => {
    const [, path, name, list] = request.url.split('/');
    if (path !== 'groups') return answer(request, response);
    groups.set(name, list.split(','));
    response.end();
  });
  console.log(issuer);
});
