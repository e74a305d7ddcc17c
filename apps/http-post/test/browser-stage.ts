import { type BrowserName, launch, type LaunchOptions, quit } from '@str0m/demo-kit/browsers'
import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import type { Settings } from '../src/settings.ts'
import { startTestServer, type TestServer } from './test-server.ts'

/** A server and a browser that calls it. They are gone after what they are for, also where that ran out of time. */
export class BrowserStage {
  #server: TestServer | undefined
  #browser: Browser | undefined

  /** For all tests of the group that this is called in. */
  static forGroup(name: BrowserName): BrowserStage {
    const stage = new BrowserStage()
    beforeAll(() => stage.#open(name, {}))
    afterAll(() => stage.#close())
    return stage
  }

  /** For the test that this is called in. */
  static async forTest(
    name: BrowserName,
    options: LaunchOptions = {},
    settings: Partial<Settings> = {},
  ): Promise<BrowserStage> {
    const stage = new BrowserStage()
    onTestFinished(() => stage.#close())
    await stage.#open(name, options, settings)
    return stage
  }

  async #open(name: BrowserName, options: LaunchOptions, settings: Partial<Settings> = {}): Promise<void> {
    this.#server = await startTestServer(settings)
    this.#browser = await launch(name, options)
  }

  async #close(): Promise<void> {
    if (this.#browser !== undefined) await quit(this.#browser)
    await this.#server?.close()
  }

  get server(): TestServer {
    return this.#server!
  }

  get browser(): Browser {
    return this.#browser!
  }
}
