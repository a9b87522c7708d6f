/** A body that is hard on whoever reads it, of about so many bytes. */
export interface HardBody {
  type: string;
  /** What it is, for messages. */
  name: string;
  of: (bytes: number) => string;
}

export const JSON_TYPE = 'application/json';
export const FORM_TYPE = 'application/x-www-form-urlencoded';
export const YAML_TYPE = 'application/yaml';
export const TEXT_TYPE = 'text/plain';
export const MULTIPART_TYPE = 'multipart/form-data; boundary=b';
export const TYPES = [JSON_TYPE, FORM_TYPE, MULTIPART_TYPE, YAML_TYPE, TEXT_TYPE];

/** Something again and again between a beginning and an end. `#` stands for the number of the time. */
export function repeated(begin: string, unit: string, end: string): (bytes: number) => string {
  return (bytes) => {
    const times = Math.max(
      1,
      Math.floor((bytes - begin.length - end.length) / (unit.length + (/#/.test(unit) ? 4 : 0))),
    );
    if (!unit.includes('#')) return begin + unit.repeat(times) + end;
    return begin + Array.from({ length: times }, (_, n) => unit.replaceAll('#', n.toString(36))).join('') + end;
  };
}

const DOCUMENT = '{"_format_version":"3.0","vaults":[';
const ENTITY = '{"name":"aws","prefix":"a-vault"';

const PART = '--b\r\ncontent-disposition: form-data; name="';

/** Each kind that was slow once, in any reader, and what is nearest to it. */
export const HARD_BODIES: readonly HardBody[] = [
  ...Object.entries({
    'many tags': repeated(`${ENTITY},"tags":[`, '"a",', '"a"]}'),
    'many wrong tags': repeated(`${ENTITY},"tags":[`, '",",', '","]}'),
    'many roles': repeated(`${ENTITY},"config":{"allowed_role_arns":[`, '"x",', '"x"]}}'),
    'many members': repeated('{', '"m#":1,', '"z":1}'),
    'many members of config': repeated(`${ENTITY},"config":{`, '"m#":1,', '"z":1}}'),
    'the same member again and again': repeated('{', '"__proto__":{},', '"z":1}'),
    'many arrays': repeated('[', '[],', '0]'),
    'many objects': repeated('[', '{},', '0]'),
    'deep arrays': repeated('', '[', ''),
    'deep objects': repeated('', '{"a":', ''),
    'a deep config': repeated(`${ENTITY},"config":`, '{"a":', ''),
    'a long description': repeated(`${ENTITY},"description":"`, 'x', '"}'),
    escapes: repeated(`${ENTITY},"description":"`, '\\u0000\\"', '"}'),
    'a long prefix': repeated('{"name":"env","prefix":"', 'a-', '"}'),
    'a long name': repeated('{"prefix":"a-b","name":"', 'a', '"}'),
    'a long id': repeated(`${ENTITY},"id":"`, '0-', '"}'),
    'a long region': repeated(`${ENTITY},"config":{"region":"`, 'a-', '1"}}'),
    'a long url': repeated(`${ENTITY},"config":{"endpoint_url":"http://`, 'a.', '/"}}'),
    'a long role': repeated(`${ENTITY},"config":{"assume_role_arn":"arn:aws:iam::1:role/`, 'a/', '"}}'),
    'a long number': repeated(`${ENTITY},"config":{"ttl":`, '9', '}}'),
    'a long mask': repeated('{"name":"hcv","prefix":"a-vault","config":{"token":"', '*', '"}}'),
    'a long reference': repeated('{"name":"hcv","prefix":"a-vault","config":{"token":"{vault://env/', 'a/', '}"}}'),
    'a long path': repeated('{"path":"', 'a/', '"}'),
    'many small vaults': repeated(DOCUMENT, '{"name":"env","prefix":"v#a"},', '{"name":"env","prefix":"last"}]}'),
    'many full vaults': repeated(
      DOCUMENT,
      '{"name":"aws","prefix":"v#a","description":"of #","tags":["a","b#"],"config":{"region":"us-east-1","ttl":60}},',
      '{"name":"env","prefix":"last"}]}',
    ),
    'many empty vaults': repeated(DOCUMENT, '{},', '{}]}'),
    'many vaults that are none': repeated(DOCUMENT, '0,', '0]}'),
    'many vaults with the same prefix': repeated(DOCUMENT, '{"name":"env","prefix":"a-b"},', '{}]}'),
    'many masks for nothing': repeated(
      DOCUMENT,
      '{"name":"hcv","prefix":"v#a","config":{"token":"********"}},',
      '{"name":"env","prefix":"last"}]}',
    ),
    'many members of a document': repeated('{"_format_version":"3.0",', '"m#":1,', '"z":1}'),
    'YAML in JSON': repeated('{"config":"', '- a\\n', '"}'),
    'no JSON': repeated('', '{"', ''),
  }).map(([name, of]) => ({ type: JSON_TYPE, name, of })),
  ...Object.entries({
    'many tags': repeated('name=env&', 'tags[]=a&', ''),
    'many numbered tags': repeated('name=env&', 'tags[#]=a&', ''),
    'many fields': repeated('', 'm#&', ''),
    'many members of config': repeated('name=aws&', 'config.m#=1&', ''),
    separators: repeated('', '&', ''),
    escapes: repeated('description=', '%00', ''),
    brackets: repeated('', '[', '=a'),
    'a long role': repeated('name=aws&config.allowed_role_arns=', 'a', ''),
    'a long number': repeated('name=aws&config.ttl=', '1', 'x'),
    'YAML in a form': repeated('config=', '-%20a%0A', ''),
  }).map(([name, of]) => ({ type: FORM_TYPE, name, of })),
  ...Object.entries({
    'many broken parts': repeated('', '\r\n--b\r\na', ''),
    'many parts': repeated('', `${PART}m#"\r\n\r\nx\r\n`, '--b--\r\n'),
    'many tags': repeated('', `${PART}tags[]"\r\n\r\na\r\n`, '--b--\r\n'),
    'many files': repeated('', `${PART}tags[]"; filename="f"\r\n\r\na\r\n`, '--b--\r\n'),
    'a long part': repeated(`${PART}name"\r\n\r\n`, 'x', '\r\n--b--\r\n'),
    'nearly boundaries': repeated(`${PART}name"\r\n\r\n`, '\r\n--', '\r\n--b--\r\n'),
    'a long header': repeated('--b\r\ncontent-disposition: form-data; name="', 'x', '"\r\n\r\nx\r\n--b--\r\n'),
    'many headers': repeated('--b\r\n', 'x-#: y\r\n', '\r\nx\r\n--b--\r\n'),
    'many parameters': repeated('--b\r\ncontent-disposition: form-data', '; a#=b', '\r\n\r\nx\r\n--b--\r\n'),
    'YAML in a part': repeated(`${PART}config"\r\n\r\n`, '- a\n', '\r\n--b--\r\n'),
  }).map(([name, of]) => ({ type: MULTIPART_TYPE, name, of })),
  { type: `multipart/form-data; boundary=${'-'.repeat(70)}`, name: 'dashes', of: repeated('', '-', '') },
  {
    type: `multipart/form-data; boundary=${'-'.repeat(5000)}`,
    name: 'dashes, long boundary',
    of: repeated('', '-', ''),
  },
  ...Object.entries({
    'a flow list': repeated('[', 'a,', ']'),
    'a block list': repeated('', '- a\n', ''),
    'a map': repeated('', 'm#: b\n', ''),
    'flow collections': repeated('[', '[],', ']'),
    'deep flow': repeated('', '[', ''),
    'deep blocks': repeated('', '- ', ''),
    aliases: repeated('a: &a [x,x,x,x,x,x,x,x,x]\nb:\n', '- *a\n', ''),
    'nested aliases': repeated(
      'a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne:\n',
      '- *d\n',
      '',
    ),
    anchors: repeated('', '- &a# a\n', ''),
    comments: repeated('', '#\n', ''),
    documents: repeated('', '---\n', ''),
    merges: repeated('', '- <<: {}\n', ''),
    quotes: repeated('"', '\\n', '"'),
    'short lines': repeated('', '\n', ''),
    'complex keys': repeated('', '? [a#]\n: b\n', ''),
    'many vaults': repeated('_format_version: "3.0"\nvaults:\n', '- {name: env, prefix: v#a}\n', ''),
  }).map(([name, of]) => ({ type: YAML_TYPE, name, of })),
  { type: TEXT_TYPE, name: 'text', of: repeated('', 'a', '') },
];
