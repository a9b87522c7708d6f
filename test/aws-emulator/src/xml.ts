/** Elements by name; the query protocol's answers need neither attributes nor repeated elements. */
export type XmlTree = { [element: string]: string | XmlTree };

export function xmlOf(tree: XmlTree): string {
  return Object.entries(tree)
    .map(([name, content]) => `<${name}>${typeof content === 'string' ? escapeXml(content) : xmlOf(content)}</${name}>`)
    .join('');
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (c) => ESCAPES[c]!);
