/**
 * node:http, for what a program loads at its start. An `import` of it reads all that it exports, also the WebSocket that
 * is undici's, and so loads undici: twice as much as the rest of a bare server's start.
 */
export const { createServer, request } = process.getBuiltinModule('node:http');
