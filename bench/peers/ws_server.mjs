// Node's `ws`, told to all as its own documentation does it. node ws_server.mjs PORT
import { WebSocket, WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => {
        for (const one of server.clients) {
            if (one.readyState === WebSocket.OPEN) one.send(data, { binary: isBinary });
        }
    });
});
server.on("listening", () => console.log("READY"));
