// socket.io. node socket_io_server.mjs PORT
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const server = new Server(http, { transports: ["websocket"], serveClient: false });
server.on("connection", (socket) => {
    socket.on("say", (text) => server.emit("announcement", text));
});
http.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("READY"));
