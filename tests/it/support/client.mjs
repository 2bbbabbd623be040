// What a program does that speaks to a Supabase project with supabase-js.
//
// `node client.mjs SOCKET`: evaluates the list of requests on standard input, in
// which `anon`, `service` and `user('id')` are clients, makes one after the
// other, and prints what was answered. In between stands what stands in front of
// PostgREST at Supabase: it takes `/rest/v1` off the path and turns the key of a
// request into a token.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";

const [socketPath] = process.argv.slice(2);
const { NODE_MODULES, JWT_SECRET } = process.env;
const { createClient } = createRequire(`${NODE_MODULES}/`)("@supabase/supabase-js");

function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", JWT_SECRET).update(signed).digest("base64url")}`;
}

const keys = {
  sb_publishable_test: token({ role: "anon" }),
  sb_secret_test: token({ role: "service_role" }),
};

const gateway = createServer((incoming, outgoing) => {
  const { apikey, authorization, ...headers } = incoming.headers;
  const sent = authorization?.replace(/^Bearer /, "") ?? apikey;
  headers.authorization = `Bearer ${keys[sent] ?? sent}`;
  const path = incoming.url.replace(/^\/rest\/v1/, "");
  const forward = request({ socketPath, path, method: incoming.method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  forward.on("error", () => outgoing.writeHead(502).end());
  incoming.pipe(forward);
});
await new Promise((ready) => gateway.listen(0, "127.0.0.1", ready));

function client(key, options = {}) {
  const url = `http://127.0.0.1:${gateway.address().port}`;
  // Node 20 has no web socket, and nobody listens here.
  return createClient(url, key, { realtime: { transport: class {} }, ...options });
}

const anon = client("sb_publishable_test");
const service = client("sb_secret_test");
const user = (sub) =>
  client("sb_publishable_test", { accessToken: async () => token({ role: "authenticated", sub }) });

const list = new Function("anon", "service", "user", `return ${readFileSync(0, "utf8")}`);
const answers = [];
for (const request of list(anon, service, user)) {
  // Only now is it sent.
  const { status, data, error } = await request;
  answers.push({ status, data, error });
}
console.log(JSON.stringify(answers));
process.exit();
