/*
 * Modules of Node.js, for what a program loads at its start. An `import` of one of them reads all that it exports, and so
 * loads what stands behind that: undici behind node:http (its WebSocket), the root certificates behind node:tls. Together
 * that takes as long as all else of a bare server's start.
 */
export const http = process.getBuiltinModule('node:http');
export const https = process.getBuiltinModule('node:https');
export const tls = process.getBuiltinModule('node:tls');
