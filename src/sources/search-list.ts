/** A search list: the names that a short name may stand for, by `/etc/resolv.conf`. Node's resolvers leave that to whoever calls them. */

/** The names to ask for, in order, as the C library asks for them. A name that ends with a dot is complete. */
export function searchedNames(name: string, resolvConf: string): readonly string[] {
  if (name.endsWith('.')) return [name]
  const lines = resolvConf.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  )
  const [, ...domains] = lines.findLast(([keyword]) => keyword === 'search' || keyword === 'domain') ?? []
  const [, ndots = 1] = lines
    .filter(([keyword]) => keyword === 'options')
    .flatMap((words) => words.flatMap((word) => /^ndots:(\d+)$/.exec(word) ?? []).map(Number))
  const longer = domains
    .map((domain) => `${name}.${domain.replace(/^\.|\.$/g, '')}`)
    .filter((each) => !each.endsWith('.'))
  return name.split('.').length - 1 >= ndots ? [name, ...longer] : [...longer, name]
}
