import { connect } from 'node:net';

/**
 * A connection to an HTTP server for one call at a time, answered with a Content-Length. node:http's client would take as
 * much of the machine for a write as the control plane does, and it is not what is measured.
 */
export class PlainConnection {
  readonly #host: string;
  readonly #send: (text: string) => void;
  #said = '';
  #waiting: { resolve: (body: string) => void; reject: (error: Error) => void } | undefined;

  private constructor(host: string, send: (text: string) => void) {
    this.#host = host;
    this.#send = send;
  }

  static open(url: string): Promise<PlainConnection> {
    const { host, hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true }).setEncoding('utf8');
      const connection = new PlainConnection(host, (text) => socket.write(text));
      socket.once('connect', () => resolve(connection));
      socket.on('data', (text: string) => connection.#hear(text));
      socket.on('error', (error) => {
        reject(error);
        connection.#waiting?.reject(error);
      });
      socket.on('close', () => connection.#waiting?.reject(new Error('the connection was closed')));
    });
  }

  /** @throws Error where it is not answered, or not by 200 */
  call(method: string, path: string, body = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#said = '';
      this.#waiting = { resolve, reject };
      const headers = `host: ${this.#host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
      this.#send(`${method} ${path} HTTP/1.1\r\n${headers}\r\n\r\n${body}`);
    });
  }

  #hear(text: string): void {
    this.#said += text;
    const end = this.#said.indexOf('\r\n\r\n');
    if (end < 0) return;
    const [head, body] = [this.#said.slice(0, end), this.#said.slice(end + 4)];
    const bytes = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (bytes !== undefined && Buffer.byteLength(body) < Number(bytes)) return;
    if (/^HTTP\/1\.1 200 /.test(head) && bytes !== undefined) this.#waiting?.resolve(body);
    else this.#waiting?.reject(new Error(this.#said));
  }
}
