;; XOR with a keystream, and AES-GCM over one that is given (NIST SP 800-38D sections 6.4 and 7), for one packet.
;;
;; GHASH multiplies by table, four bits at a time, as the SSSE3 versions of public libraries do: each table row is a
;; vector that is always read whole, and i8x16.swizzle looks all sixteen nibbles up at once. No address and no
;; branch depends on a secret. Four blocks share one reduction, by the powers 1 to 4 of the hash key.
;;
;; The row r of a table holds, for each nibble n, the byte r of n * H. A field element's byte j has the
;; coefficients of x^(8j) to x^(8j+7), the most significant bit first.
;;
;; Memory: 0     tables: for H, H^2, H^3, H^4 the 16 rows of n * H, then the 16 rows of x^4 * n * H
;;         4096  the payload, its header right before it, its tag right behind
;;         40960 the keystream: for GCM, one block that masks the tag, then the payload's
(module
  (memory (export "memory") 1 1)
  (global $payload i32 (i32.const 4096))
  (global $keystream i32 (i32.const 40960))

  ;; payload XOR keystream, in steps of 16 bytes: up to 15 bytes behind the payload change
  (func $xor (export "xor") (param $length i32) (param $skip i32)
    (local $at i32) (local $from i32) (local $end i32)
    (local.set $at (global.get $payload))
    (local.set $from (i32.add (global.get $keystream) (local.get $skip)))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at)
          (v128.xor (v128.load (local.get $at)) (v128.load (local.get $from))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br $next))))

  ;; low + high * x^128, modulo x^128 + x^7 + x^2 + x + 1; high has 120 coefficients, so that one step is enough
  (func $reduce (param $low v128) (param $high v128) (result v128)
    (local $before v128)
    ;; the byte before each one
    (local.set $before
      (i8x16.shuffle 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
        (v128.const i64x2 0 0) (local.get $high)))
    (v128.xor
      (v128.xor
        (v128.xor (local.get $low) (local.get $high))
        (v128.xor
          (i8x16.shr_u (local.get $high) (i32.const 1))
          (i8x16.shr_u (local.get $high) (i32.const 2))))
      (v128.xor
        (v128.xor
          (i8x16.shr_u (local.get $high) (i32.const 7))
          (i8x16.shl (local.get $before) (i32.const 7)))
        (v128.xor
          (i8x16.shl (local.get $before) (i32.const 6))
          (i8x16.shl (local.get $before) (i32.const 1))))))

  ;; GHASH of the blocks from $at up to $end
  (func $ghash (param $at i32) (param $end i32) (result v128)
    (local $y v128) (local $row i32) (local $low v128) (local $high v128)
    (local $h1 v128) (local $l1 v128) (local $h2 v128) (local $l2 v128)
    (local $h3 v128) (local $l3 v128) (local $h4 v128) (local $l4 v128)
    ;; single blocks, until the rest comes in fours
    (block $fours
      (loop $single
        (br_if $fours
          (i32.eqz (i32.and (i32.sub (local.get $end) (local.get $at)) (i32.const 63))))
        (local.set $y (v128.xor (local.get $y) (v128.load (local.get $at))))
        (local.set $h1 (i8x16.shr_u (local.get $y) (i32.const 4)))
        (local.set $l1 (v128.and (local.get $y) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
        (local.set $high (v128.const i64x2 0 0))
        (local.set $low (v128.const i64x2 0 0))
        (local.set $row (i32.const 0))
        (loop $rows
          (local.set $high
            (v128.xor
              (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $high) (v128.const i64x2 0 0))
              (v128.xor
                (i8x16.swizzle (v128.load (local.get $row)) (local.get $h1))
                (i8x16.swizzle (v128.load offset=256 (local.get $row)) (local.get $l1)))))
          (local.set $low
            (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $low) (local.get $high)))
          (br_if $rows
            (i32.lt_u (local.tee $row (i32.add (local.get $row) (i32.const 16))) (i32.const 256))))
        (local.set $y
          (call $reduce (local.get $low)
            (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $high) (v128.const i64x2 0 0))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $single)))
    (block $done
      (loop $four
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $l4 (v128.xor (local.get $y) (v128.load (local.get $at))))
        (local.set $h4 (i8x16.shr_u (local.get $l4) (i32.const 4)))
        (local.set $l4 (v128.and (local.get $l4) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
        (local.set $l3 (v128.load offset=16 (local.get $at)))
        (local.set $h3 (i8x16.shr_u (local.get $l3) (i32.const 4)))
        (local.set $l3 (v128.and (local.get $l3) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
        (local.set $l2 (v128.load offset=32 (local.get $at)))
        (local.set $h2 (i8x16.shr_u (local.get $l2) (i32.const 4)))
        (local.set $l2 (v128.and (local.get $l2) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
        (local.set $l1 (v128.load offset=48 (local.get $at)))
        (local.set $h1 (i8x16.shr_u (local.get $l1) (i32.const 4)))
        (local.set $l1 (v128.and (local.get $l1) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
        (local.set $high (v128.const i64x2 0 0))
        (local.set $low (v128.const i64x2 0 0))
        (local.set $row (i32.const 0))
        ;; The product's byte r + j is the sum of row r's lanes j: the lowest byte is done after each row, and moves
        ;; from $high to $low.
        ;; A chain of sums, not a tree: a tree needs more registers than there are, and takes a sixth longer.
        (loop $rows
          (local.set $high
            (v128.xor
              (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $high) (v128.const i64x2 0 0))
              (v128.xor (v128.xor (v128.xor (v128.xor (v128.xor (v128.xor (v128.xor
                (i8x16.swizzle (v128.load (local.get $row)) (local.get $h1))
                (i8x16.swizzle (v128.load offset=256 (local.get $row)) (local.get $l1)))
                (i8x16.swizzle (v128.load offset=512 (local.get $row)) (local.get $h2)))
                (i8x16.swizzle (v128.load offset=768 (local.get $row)) (local.get $l2)))
                (i8x16.swizzle (v128.load offset=1024 (local.get $row)) (local.get $h3)))
                (i8x16.swizzle (v128.load offset=1280 (local.get $row)) (local.get $l3)))
                (i8x16.swizzle (v128.load offset=1536 (local.get $row)) (local.get $h4)))
                (i8x16.swizzle (v128.load offset=1792 (local.get $row)) (local.get $l4)))
            ))
          (local.set $low
            (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $low) (local.get $high)))
          (br_if $rows
            (i32.lt_u (local.tee $row (i32.add (local.get $row) (i32.const 16))) (i32.const 256))))
        (local.set $y
          (call $reduce (local.get $low)
            (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $high) (v128.const i64x2 0 0))))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $four)))
    (local.get $y))

  ;; The tag of the ciphertext in place, with a header of $header bytes as associated data. Pads both, so that up
  ;; to 32 bytes behind the ciphertext and up to 15 before the header change.
  (func $tag (param $header i32) (param $length i32) (result v128)
    (local $start i32) (local $end i32)
    (local.set $start
      (i32.sub (global.get $payload)
        (i32.and (i32.add (local.get $header) (i32.const 15)) (i32.const -16))))
    (memory.copy (local.get $start)
      (i32.sub (global.get $payload) (local.get $header)) (local.get $header))
    (local.set $end (i32.add (local.get $start) (local.get $header)))
    (memory.fill (local.get $end) (i32.const 0) (i32.sub (global.get $payload) (local.get $end)))
    (v128.store (i32.add (global.get $payload) (local.get $length)) (v128.const i64x2 0 0))
    (local.set $end
      (i32.add (global.get $payload)
        (i32.and (i32.add (local.get $length) (i32.const 15)) (i32.const -16))))
    ;; both lengths in bits, big-endian
    (v128.store (local.get $end)
      (i8x16.shuffle 0 0 0 0 7 6 5 4 0 0 0 0 15 14 13 12
        (i32x4.replace_lane 3
          (i32x4.replace_lane 1 (v128.const i64x2 0 0) (i32.shl (local.get $header) (i32.const 3)))
          (i32.shl (local.get $length) (i32.const 3)))
        (v128.const i64x2 0 0)))
    (v128.xor
      (call $ghash (local.get $start) (i32.add (local.get $end) (i32.const 16)))
      (v128.load (global.get $keystream))))

  ;; encrypts, and writes the tag behind
  (func (export "seal") (param $header i32) (param $length i32)
    (call $xor (local.get $length) (i32.const 16))
    (v128.store (i32.add (global.get $payload) (local.get $length))
      (call $tag (local.get $header) (local.get $length))))

  ;; 1, and decrypts, where the tag behind matches; else 0
  (func (export "open") (param $header i32) (param $length i32) (result i32)
    (local $received v128)
    (local.set $received (v128.load (i32.add (global.get $payload) (local.get $length))))
    (if (v128.any_true
          (v128.xor (local.get $received) (call $tag (local.get $header) (local.get $length))))
      (then (return (i32.const 0))))
    (call $xor (local.get $length) (i32.const 16))
    (i32.const 1)))
