/**
 * Has V8 make all objects among the young ones. By itself, it makes those of a place in the code among the old ones as soon as
 * a hundred or so from there have lived through a collection (allocation site pretenuring). The connections that are
 * answered by the short way are enough for that to be said of places in node:http that every call passes, and is never taken
 * back: what an answer then leaves behind among the old objects keeps all else of it alive through every collection of young
 * ones, each of which takes twenty times as long. To be called once everything is loaded: what is kept of compiled sources is
 * good for the flags alone with which it was made.
 */
export function makeObjectsYoung(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--no-allocation-site-pretenuring');
}
