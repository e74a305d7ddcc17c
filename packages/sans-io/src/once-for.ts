/**
 * `make`, called once for each key; afterwards the same value is given again. For what is worked out of lists that outlive a connection, such as codecs. A key that
 * is not frozen may change: its value is made each time. A value is forgotten with its key.
 */
export function onceFor<K extends object, V extends object>(make: (key: K) => V): (key: K) => V {
  const made = new WeakMap<K, V>()
  return (key) => {
    const known = made.get(key)
    if (known !== undefined) return known
    const value = make(key)
    if (Object.isFrozen(key)) made.set(key, value)
    return value
  }
}

/** The same as `onceFor`, of two keys: the one that lives longer is best the first. */
export function onceForBoth<A extends object, B extends object, V extends object>(
  make: (first: A, second: B) => V,
): (first: A, second: B) => V {
  const ofFirst = onceFor((first: A) => onceFor((second: B) => make(first, second)))
  return (first, second) => ofFirst(first)(second)
}
