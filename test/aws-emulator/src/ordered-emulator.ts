import type { CallLog, LoggedCall, WaitOptions } from './call-log.ts';
import { type Order, type OrderBook, type OrderSpec, parseOrder } from './order-book.ts';

export type OrderHandle = {
  readonly id: string;
  /** Calls it has shaped so far. */
  readonly used: number;
  /** Ends the order; what it holds up stays held up. */
  remove(): void;
  /** Ends the order and lets what it holds up be answered. */
  release(): void;
};

/** What every emulator can be ordered to do, and asked of the calls that it had. */
export abstract class OrderedEmulator<
  C extends LoggedCall,
  M extends object,
  B extends OrderBook<C, M> = OrderBook<C, M>,
> {
  protected readonly orderBook: B;
  protected readonly callLog: CallLog<C, M>;
  readonly #parseMatch: (json: unknown) => M;

  constructor(parts: { orders: B; calls: CallLog<C, M>; parseMatch: (json: unknown) => M }) {
    this.orderBook = parts.orders;
    this.callLog = parts.calls;
    this.#parseMatch = parts.parseMatch;
  }

  /** Throws SpecError when the order makes no sense. */
  order(spec: OrderSpec<M>): OrderHandle {
    const order = this.orderBook.add(parseOrder(spec, this.#parseMatch));
    return {
      id: order.id,
      get used() {
        return order.used;
      },
      remove: () => void this.orderBook.remove(order.id),
      release: () => void this.orderBook.remove(order.id, { release: true }),
    };
  }

  orders(): Order<M>[] {
    return this.orderBook.list();
  }

  removeOrder(id: string, options: { release?: boolean } = {}): boolean {
    return this.orderBook.remove(id, options);
  }

  clearOrders(options: { release?: boolean } = {}): void {
    this.orderBook.clear(options);
  }

  calls(match: M = {} as M): C[] {
    return this.callLog.list(match);
  }

  /** Calls since the start or the last reset, by operation. */
  counts(): Record<string, number> {
    return this.callLog.counts();
  }

  resetCalls(): void {
    this.callLog.reset();
  }

  /** Resolves once `count` matching calls have come in (`ended`: have ended); see CallLog.waitFor. */
  waitForCalls(match: M, count = 1, options: WaitOptions = {}): Promise<C[]> {
    return this.callLog.waitFor(match, count, options);
  }
}
