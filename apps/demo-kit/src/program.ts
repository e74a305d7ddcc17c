/** Reads the port that `name` is given; 0: any that is free. Throws an `Error` that says what is wrong. */
export function readPort(name: string, text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) throw new Error(`${name}: "${text}" is no port (0 to 65535)`)
  return port
}

/**
 * Ends the program in good order when it is told to, when its terminal goes away, and when nobody reads what it prints any more. To be told twice, as
 * by a terminal and by `npm start`, changes nothing.
 */
export function closeAtEnd(close: () => Promise<void>): void {
  let ends = false
  const end = (): void => {
    if (ends) return
    ends = true
    close().catch((error: unknown) => {
      console.error(error)
      process.exitCode = 1
    })
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
  for (const stream of [process.stdout, process.stderr]) stream.on('error', end)
}
