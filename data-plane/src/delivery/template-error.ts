/** An error in a template, or in what it makes of a value: with its place, and never with a value. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}
