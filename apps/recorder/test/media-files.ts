import { execFileSync, spawnSync } from 'node:child_process'

export const hasFfmpeg: boolean =
  spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0
if (!hasFfmpeg) console.log('ffmpeg and ffprobe are not installed: files are looked at by mediabunny alone')

interface ProbedStream {
  codec_name: string
  codec_type: 'audio' | 'video'
  width?: number
  height?: number
  nb_read_frames: string
  nb_read_packets: string
}

export interface Probed {
  streams: ProbedStream[]
  format: { duration: string; format_name: string }
}

/** What ffprobe says of a file, having decoded all of it. */
export function probe(path: string): Probed {
  const args = [
    '-v',
    'error',
    '-count_frames',
    '-count_packets',
    '-show_streams',
    '-show_format',
    '-of',
    'json',
  ]
  return JSON.parse(execFileSync('ffprobe', [...args, path], { encoding: 'utf8' })) as Probed
}

/** The widths of a file's pictures, each once. */
export function widths(path: string): number[] {
  const what = ['-select_streams', 'v', '-show_entries', 'frame=width', '-of', 'csv=p=0']
  const lines = execFileSync('ffprobe', ['-v', 'error', ...what, path], { encoding: 'utf8' }).split('\n')
  return [...new Set(lines.map((line) => Number.parseInt(line, 10)).filter((width) => width > 0))]
}

/** The times at which a file's packets of one kind are to be played, seconds. */
export function packetTimes(path: string, kind: 'audio' | 'video'): number[] {
  const what = ['-select_streams', kind[0]!, '-show_entries', 'packet=pts_time', '-of', 'csv=p=0']
  const lines = execFileSync('ffprobe', ['-v', 'error', ...what, path], { encoding: 'utf8' }).split('\n')
  return lines.map(Number.parseFloat).filter(Number.isFinite)
}

/** The longest time from one picture of a file to the next, seconds. */
export function longestStep(path: string): number {
  const times = packetTimes(path, 'video')
  return Math.max(0, ...times.slice(1).map((time, i) => time - times[i]!))
}

/**
 * What ffmpeg complains of when it decodes all of a file. With the file's own time base: without it, two pictures that a browser took within one period
 * of the average rate are a complaint of the output's, not of the file's.
 */
export function complaints(path: string): string {
  const args = ['-v', 'error', '-i', path, '-enc_time_base', '-1', '-f', 'null', '-']
  return spawnSync('ffmpeg', args, { encoding: 'utf8' }).stderr
}

export type MadeCodec = 'VP8' | 'VP9' | 'H264'

const ENCODERS: Record<MadeCodec, readonly string[]> = {
  VP8: ['-c:v', 'libvpx', '-pix_fmt', 'yuv420p', '-deadline', 'realtime', '-b:v', '600k'],
  VP9: [
    '-c:v',
    'libvpx-vp9',
    '-pix_fmt',
    'yuv420p',
    '-deadline',
    'realtime',
    '-cpu-used',
    '8',
    '-b:v',
    '600k',
  ],
  H264: ['-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'],
}

/** Has ffmpeg make a film of so many seconds, 320×240 at 25 pictures a second, a keyframe each second, and a tone. */
export function makeFile(
  path: string,
  codec: MadeCodec,
  seconds: number,
  more: readonly string[] = [],
): void {
  const picture = `testsrc=size=320x240:rate=25:duration=${seconds}`
  const tone = `sine=frequency=440:sample_rate=48000:duration=${seconds}`
  const inputs = ['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', tone]
  const sound = ['-c:a', 'libopus', '-b:a', '32k']
  const args = ['-v', 'error', '-y', ...inputs, ...ENCODERS[codec], '-g', '25', ...sound, ...more, path]
  execFileSync('ffmpeg', args)
}
