import { request } from 'node:https'

/** One request; the certificate is made by the server itself. */
export function fetchFrom(
  port: number,
  path: string,
  {
    method = 'GET',
    body = '',
    type,
    match,
    headers = {},
  }: {
    method?: string
    body?: string
    type?: string
    match?: string
    headers?: Record<string, string>
  } = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        rejectUnauthorized: false,
        headers: {
          ...(type === undefined ? {} : { 'Content-Type': type }),
          ...(match === undefined ? {} : { 'If-Match': match }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
