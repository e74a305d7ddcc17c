/** Lines of a section that once were taken wrongly, and whether they are to be read. */
export const CRASHERS: readonly {
  readonly what: string
  readonly lines: readonly string[]
  readonly read: boolean
}[] = [
  { what: 'of several ICE options all but the first were lost', lines: ['a=ice-options:a b'], read: true },
  { what: 'a codec name with a plus had no clock rate', lines: ['a=rtpmap:111 a+b/8000'], read: true },
  { what: 'an SSRC of 33 bits was passed over', lines: ['a=ssrc:4294967296 cname:x'], read: false },
  { what: 'a bandwidth of an unknown type was lost', lines: ['b=X-YZ:128'], read: true },
  { what: 'payload types of a rid were not numbers', lines: ['a=rid:1 send pt=x'], read: false },
  { what: 'a clock rate was infinite', lines: [`a=rtpmap:111 opus/${'9'.repeat(400)}`], read: false },
  { what: 'no channels at all were read, and not written', lines: ['a=rtpmap:111 opus/9/0'], read: false },
  {
    what: 'a clock that stands still was read, and not written',
    lines: ['a=rtpmap:111 opus/0'],
    read: false,
  },
]
