import { randomBytes } from 'node:crypto'
import { access, constants, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isError } from '@str0m/demo-kit'

/** No path, no hidden file, and one of the kinds that are played. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\.(webm|mkv|mp4)$/

export interface Recording {
  readonly name: string
  /** Bytes. */
  readonly size: number
}

/** The directory of the recordings. */
export class Recordings {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** Makes the directory where there is none. Rejects where nothing can be written there. */
  async prepare(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    await access(this.directory, constants.W_OK)
  }

  /** All that are whole, the latest first. */
  async list(): Promise<Recording[]> {
    const names = await readdir(this.directory).catch((error: unknown) => {
      if (isError(error, 'ENOENT')) return []
      throw error
    })
    const found: (Recording & { changed: number })[] = []
    for (const name of names.filter((known) => NAME.test(known))) {
      const entry = await stat(join(this.directory, name)).catch(() => undefined)
      if (entry?.isFile() === true) found.push({ name, size: entry.size, changed: entry.mtimeMs })
    }
    return found.toSorted((a, b) => b.changed - a.changed).map(({ name, size }) => ({ name, size }))
  }

  /** Where the recording of this name is; `undefined` where there is none. */
  async find(name: string): Promise<string | undefined> {
    if (!NAME.test(name)) return undefined
    const path = join(this.directory, name)
    const entry = await stat(path).catch(() => undefined)
    return entry?.isFile() === true ? path : undefined
  }

  /** The path of a new one, without its extension. */
  async newPath(): Promise<string> {
    await this.prepare()
    const now = new Date().toISOString().slice(0, 19).replaceAll(':', '-')
    return join(this.directory, `${now}-${randomBytes(3).toString('hex')}`)
  }
}
