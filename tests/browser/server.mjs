// What the tests run against: the server in a folder of its own, a target that can be broken, and a receiver of alerts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const listen = async (handler) => {
  const server = http.createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
};

/** Answers 200, or 503 with a health body while `broken`. */
export async function startTarget() {
  const target = { broken: false };
  const server = await listen((_, response) => {
    const checks = { database: target.broken ? "error: no connection slots left" : "ok" };
    response.writeHead(target.broken ? 503 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ status: target.broken ? "fail" : "ok", checks }));
  });
  return Object.assign(target, server);
}

/** Keeps what it is sent; answers 500 while `broken`. */
export async function startReceiver() {
  const receiver = { broken: false, bodies: [] };
  const server = await listen((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      receiver.bodies.push(body);
      response.writeHead(receiver.broken ? 500 : 200).end(receiver.broken ? "out of order" : "ok");
    });
  });
  return Object.assign(receiver, server);
}

const freePort = async () => {
  const probe = await listen(() => {});
  probe.close();
  return new URL(probe.url).port;
};

/** A mail server that takes every message and keeps it. */
export async function startMail() {
  const messages = [];
  const server = net.createServer((socket) => {
    let body = null;
    let rest = "";
    socket.on("error", () => {});
    socket.write("220 mail.example ESMTP\r\n");
    socket.on("data", (chunk) => {
      rest += chunk;
      let end;
      while ((end = rest.indexOf("\r\n")) >= 0) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (body !== null) {
          if (line !== ".") body.push(line);
          else {
            messages.push(body.join("\n"));
            body = null;
            socket.write("250 queued\r\n");
          }
        } else if (/^DATA/i.test(line)) {
          body = [];
          socket.write("354 go on\r\n");
        } else if (/^QUIT/i.test(line)) socket.end("221 bye\r\n");
        else socket.write("250 ok\r\n");
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `smtp://127.0.0.1:${server.address().port}`, messages, close: () => server.close() };
}

/** Starts the server, with settings of its own in `extra`, and waits for its set-up link. */
export async function startServer(extra = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), "watchbell-browser-"));
  const listenOn = `127.0.0.1:${await freePort()}`;
  const env = { ...process.env, WATCHBELL_LISTEN: listenOn, WATCHBELL_DATABASE_URL: `sqlite://${folder}/watchbell.db`, ...extra };
  const child = spawn(process.env.WATCHBELL_BIN, ["serve"], { cwd: folder, env });
  // A script that crashes, or is stopped, leaves no server behind.
  const clear = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", clear);
  let log = "";
  const setupLink = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      log += chunk;
      const link = log.match(/http:\/\/\S+\/setup\?token=\S+/);
      if (link) resolve(link[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
    setTimeout(() => reject(new Error(`no set-up link after 30 s:\n${log}`)), 30_000).unref();
  });
  const stop = async () => {
    if (child.exitCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    process.off("exit", clear);
    await rm(folder, { recursive: true, force: true });
  };
  return { url: `http://${listenOn}`, setupLink, stop, log: () => log };
}
