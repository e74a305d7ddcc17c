;; XOR with a keystream, and AES-GCM over one that is given (NIST SP 800-38D sections 6.4 and 7), for one packet.
;;
;; GHASH takes four blocks at once, by the powers 4 to 1 of the hash key H. The first block is added to the hash so far, which is a secret: it is
;; multiplied four bits at a time, as the SSSE3 versions of public libraries do, by table rows that are vectors and always read
;; whole; i8x16.swizzle looks all sixteen nibbles up at once. The other three blocks are ciphertext, header and lengths, which whoever watches the network
;; sees anyway: they are multiplied by tables that their bytes are the index of, which takes a third. So no address and
;; no branch depends on a secret.
;;
;; The row r of a table holds, for each nibble n, the byte r of n * H^4. A field element's byte j has the
;; coefficients of x^(8j) to x^(8j+7), the most significant bit first.
;;
;; Memory: 4096    the payload, its header right before it, its tag right behind
;;         40960   the keystream: for GCM, one block that masks the tag, then the payload's
;;         65536   counter blocks; while tables are made, the products of H^4
;;         106496  the tables of 256 keys, 12800 bytes each: the 16 rows of n * H^4, then those of x^4 * n * H^4; then, for each byte b,
;;                 b * H^3, b * H^2 and b * H
(module
  (memory (export "memory") 52 52)
  (global $payload i32 (i32.const 4096))
  (global $keystream i32 (i32.const 40960))
  (global $counters i32 (i32.const 65536))

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

  ;; What a keystream is made of: $count counter blocks from $at on. The words are those of the first one, as numbers; the last word counts on.
  (func (export "counters")
    (param $at i32) (param $count i32) (param $word0 i32) (param $word1 i32) (param $word2 i32) (param $word3 i32)
    (local $words v128) (local $end i32)
    (local.set $words
      (i32x4.replace_lane 3
        (i32x4.replace_lane 2
          (i32x4.replace_lane 1 (i32x4.splat (local.get $word0)) (local.get $word1))
          (local.get $word2))
        (local.get $word3)))
    (local.set $end (i32.add (local.get $at) (i32.shl (local.get $count) (i32.const 4))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        ;; big-endian
        (v128.store (local.get $at)
          (i8x16.shuffle 3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12 (local.get $words) (local.get $words)))
        (local.set $words (i32x4.add (local.get $words) (v128.const i32x4 0 0 0 1)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next))))

  ;; A field element is either the 16 bytes of its block, or two 64-bit numbers, the one with the coefficient of x^0 first: this
  ;; goes from one to the other.
  (func $swap (param $element v128) (result v128)
    (i8x16.shuffle 7 6 5 4 3 2 1 0 15 14 13 12 11 10 9 8 (local.get $element) (local.get $element)))

  ;; x * $element, as numbers
  (func $double (param $element v128) (result v128)
    (local $carries v128)
    (local.set $carries (i64x2.shl (local.get $element) (i32.const 63)))
    (v128.xor
      (v128.or
        (i64x2.shr_u (local.get $element) (i32.const 1))
        (i8x16.shuffle 16 16 16 16 16 16 16 16 0 1 2 3 4 5 6 7 (local.get $carries) (v128.const i64x2 0 0)))
      ;; x^128 = x^7 + x^2 + x + 1
      (v128.and
        (i8x16.shuffle 8 9 10 11 12 13 14 15 16 16 16 16 16 16 16 16
          (i64x2.shr_s (local.get $carries) (i32.const 63)) (v128.const i64x2 0 0))
        (v128.const i64x2 0xe100000000000000 0))))

  ;; $a * $b, as numbers
  (func $multiply (param $a v128) (param $b v128) (result v128)
    (local $product v128) (local $bits i64) (local $left i32)
    (local.set $bits (i64x2.extract_lane 0 (local.get $a)))
    (local.set $left (i32.const 128))
    (loop $next
      (if (i32.eq (local.get $left) (i32.const 64))
        (then (local.set $bits (i64x2.extract_lane 1 (local.get $a)))))
      (local.set $product
        (v128.xor (local.get $product)
          (v128.and (local.get $b) (i64x2.splat (i64.shr_s (local.get $bits) (i64.const 63))))))
      (local.set $bits (i64.shl (local.get $bits) (i64.const 1)))
      (local.set $b (call $double (local.get $b)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.get $product))

  ;; At $at, the 256 products of a byte and $element, given as numbers. The byte's top bit is the lowest coefficient.
  (func $products (param $at i32) (param $element v128)
    (local $bit i32) (local $from i32) (local $to i32) (local $end i32) (local $of v128)
    (local.set $bit (i32.const 2048))
    (v128.store (local.get $at) (v128.const i64x2 0 0))
    (loop $bits
      (v128.store (i32.add (local.get $at) (local.get $bit)) (call $swap (local.get $element)))
      (local.set $element (call $double (local.get $element)))
      (br_if $bits (i32.ge_u (local.tee $bit (i32.shr_u (local.get $bit) (i32.const 1))) (i32.const 16))))
    ;; sums with those of all bits below, two a turn
    (local.set $bit (i32.const 32))
    (loop $sums
      (local.set $of (v128.load (i32.add (local.get $at) (local.get $bit))))
      (local.set $from (local.get $at))
      (local.set $end (local.tee $to (i32.add (local.get $at) (local.get $bit))))
      (loop $next
        (v128.store (local.get $to) (v128.xor (local.get $of) (v128.load (local.get $from))))
        (v128.store offset=16 (local.get $to) (v128.xor (local.get $of) (v128.load offset=16 (local.get $from))))
        (local.set $to (i32.add (local.get $to) (i32.const 32)))
        (br_if $next
          (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 32))) (local.get $end))))
      (br_if $sums (i32.le_u (local.tee $bit (i32.shl (local.get $bit) (i32.const 1))) (i32.const 2048)))))

  ;; At $at, 16 rows: of each nibble's product in turn the byte 0, and so on. The products lie $step bytes apart, from $from on.
  (func $rows (param $at i32) (param $from i32) (param $step i32)
    (local $row i32) (local $nibble i32)
    (loop $all
      (local.set $nibble (i32.const 0))
      (loop $next
        (i32.store8 (i32.add (local.get $at) (local.get $nibble))
          (i32.load8_u
            (i32.add (i32.add (local.get $from) (local.get $row)) (i32.mul (local.get $nibble) (local.get $step)))))
        (br_if $next
          (i32.lt_u (local.tee $nibble (i32.add (local.get $nibble) (i32.const 1))) (i32.const 16))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $all (i32.lt_u (local.tee $row (i32.add (local.get $row) (i32.const 1))) (i32.const 16)))))

  ;; What the tables at $at are made of, out of the hash key H that lies there: the rows of H^4, then H^3, H^2 and H
  (func (export "prepare") (param $at i32)
    (local $h v128) (local $h2 v128) (local $h3 v128)
    (local.set $h (call $swap (v128.load (local.get $at))))
    (local.set $h2 (call $multiply (local.get $h) (local.get $h)))
    (local.set $h3 (call $multiply (local.get $h) (local.get $h2)))
    (call $products (global.get $counters) (call $multiply (local.get $h) (local.get $h3)))
    (call $rows (local.get $at) (global.get $counters) (i32.const 256))
    (call $rows (i32.add (local.get $at) (i32.const 256)) (global.get $counters) (i32.const 16))
    (v128.store offset=512 (local.get $at) (local.get $h3))
    (v128.store offset=528 (local.get $at) (local.get $h2))
    (v128.store offset=544 (local.get $at) (local.get $h)))

  ;; Makes the tables of it
  (func (export "expand") (param $at i32)
    (local $h2 v128) (local $h v128)
    (local.set $h2 (v128.load offset=528 (local.get $at)))
    (local.set $h (v128.load offset=544 (local.get $at)))
    (call $products (i32.add (local.get $at) (i32.const 512)) (v128.load offset=512 (local.get $at)))
    (call $products (i32.add (local.get $at) (i32.const 4608)) (local.get $h2))
    (call $products (i32.add (local.get $at) (i32.const 8704)) (local.get $h)))

  ;; GHASH of the blocks from $at up to $end, which come in fours
  (func $ghash (param $tables i32) (param $at i32) (param $end i32) (result v128)
    (local $y v128) (local $nibble0 v128) (local $nibble1 v128) (local $low v128) (local $high v128)
    (local $row i32) (local $byte i32) (local $last i32)
    (block $done
      (loop $four
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $y (v128.xor (local.get $y) (v128.load (local.get $at))))
        (local.set $nibble0 (i8x16.shr_u (local.get $y) (i32.const 4)))
        (local.set $nibble1
          (v128.and (local.get $y) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
        (local.set $high (v128.const i64x2 0 0))
        (local.set $low (v128.const i64x2 0 0))
        (local.set $row (local.get $tables))
        (local.set $byte (local.get $at))
        (local.set $last (i32.add (local.get $at) (i32.const 16)))
        ;; The first block, as the sum of row r's lanes j, and the other three, as that of byte r's products: with either, the product's byte r + j gets
        ;; lane j. The lowest byte is done after each step, and moves from $high to $low. Two steps a turn: with more, the code is slower.
        (loop $steps
          (local.set $high
            (v128.xor
              (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $high) (v128.const i64x2 0 0))
              (v128.xor (v128.xor (v128.xor (v128.xor
                (i8x16.swizzle (v128.load offset=0 (local.get $row)) (local.get $nibble0))
                (i8x16.swizzle (v128.load offset=256 (local.get $row)) (local.get $nibble1)))
                (v128.load offset=512
                  (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=16 (local.get $byte)) (i32.const 4)))))
                (v128.load offset=4608
                  (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=32 (local.get $byte)) (i32.const 4)))))
                (v128.load offset=8704
                  (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=48 (local.get $byte)) (i32.const 4)))))
            ))
          (local.set $low
            (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $low) (local.get $high)))
          (local.set $high
            (v128.xor
              (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $high) (v128.const i64x2 0 0))
              (v128.xor (v128.xor (v128.xor (v128.xor
                (i8x16.swizzle (v128.load offset=16 (local.get $row)) (local.get $nibble0))
                (i8x16.swizzle (v128.load offset=272 (local.get $row)) (local.get $nibble1)))
                (v128.load offset=512
                  (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=17 (local.get $byte)) (i32.const 4)))))
                (v128.load offset=4608
                  (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=33 (local.get $byte)) (i32.const 4)))))
                (v128.load offset=8704
                  (i32.add (local.get $tables) (i32.shl (i32.load8_u offset=49 (local.get $byte)) (i32.const 4)))))
            ))
          (local.set $low
            (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $low) (local.get $high)))
          (local.set $row (i32.add (local.get $row) (i32.const 32)))
          (br_if $steps
            (i32.lt_u (local.tee $byte (i32.add (local.get $byte) (i32.const 2))) (local.get $last))))
        (local.set $y
          (call $reduce (local.get $low)
            (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 (local.get $high) (v128.const i64x2 0 0))))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $four)))
    (local.get $y))

  ;; The tag of the ciphertext in place, with a header of $header bytes as associated data. Pads both, so that up
  ;; to 32 bytes behind the ciphertext and up to 63 before the header change.
  (func $tag (param $tables i32) (param $header i32) (param $length i32) (result v128)
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
    (local.set $end (i32.add (local.get $end) (i32.const 16)))
    ;; zeros in front change nothing, and make fours of the blocks
    (v128.store (i32.sub (local.get $start) (i32.const 16)) (v128.const i64x2 0 0))
    (v128.store (i32.sub (local.get $start) (i32.const 32)) (v128.const i64x2 0 0))
    (v128.store (i32.sub (local.get $start) (i32.const 48)) (v128.const i64x2 0 0))
    (local.set $start
      (i32.sub (local.get $start)
        (i32.and (i32.sub (local.get $start) (local.get $end)) (i32.const 63))))
    (v128.xor
      (call $ghash (local.get $tables) (local.get $start) (local.get $end))
      (v128.load (global.get $keystream))))

  ;; encrypts, and writes the tag behind
  (func (export "seal") (param $tables i32) (param $header i32) (param $length i32)
    (call $xor (local.get $length) (i32.const 16))
    (v128.store (i32.add (global.get $payload) (local.get $length))
      (call $tag (local.get $tables) (local.get $header) (local.get $length))))

  ;; 1, and decrypts, where the tag behind matches; else 0
  (func (export "open") (param $tables i32) (param $header i32) (param $length i32) (result i32)
    (local $received v128)
    (local.set $received (v128.load (i32.add (global.get $payload) (local.get $length))))
    (if (v128.any_true
          (v128.xor (local.get $received) (call $tag (local.get $tables) (local.get $header) (local.get $length))))
      (then (return (i32.const 0))))
    (call $xor (local.get $length) (i32.const 16))
    (i32.const 1)))
