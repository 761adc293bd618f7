;; Kernels over residues modulo p = 2^31 - 1, in lanes of 32 or 64 bits (simd.ts).
;;
;; Memory: 65,536 elements of 32 bits, of which the masks' kernels use 16,640 and the 16,640 behind them; from byte 262,144 on 2,048
;; rows of four coefficients; from 294,912 on four sums as doubles.
(module
  (memory (export "memory") 5)

  ;; residues plus the upper 31 bits of the words behind them, modulo p, in place.
  ;; `end`: bytes of the residues, from 1 on; the last four may be stale. Returns whether the upper 31 bits of a word may be p: there
  ;; nothing is added.
  (func (export "add") (param $end i32) (result i32)
    (local $at i32) (local $p v128) (local $words v128) (local $most v128) (local $sums v128)
    (local.set $p (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))
    (loop $four
      (local.set $words (v128.load offset=66560 (local.get $at)))
      (local.set $most (i32x4.max_u (local.get $most) (local.get $words)))
      (local.set $sums (i32x4.add (v128.load (local.get $at)) (i32x4.shr_u (local.get $words) (i32.const 1))))
      ;; Of a sum and the same less or more p, the one outside of 0 .. p is the larger, as it wraps around where it is negative.
      (v128.store (local.get $at) (i32x4.min_u (local.get $sums) (i32x4.sub (local.get $sums) (local.get $p))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end))))
    ;; 2 p is the least word whose upper 31 bits are p.
    (v128.any_true (i32x4.ge_u (local.get $most) (v128.const i32x4 0xfffffffe 0xfffffffe 0xfffffffe 0xfffffffe))))

  ;; The same, less the upper 31 bits.
  ;; `end`: bytes of the residues, from 1 on; the last four may be stale. Returns whether the upper 31 bits of a word may be p: there
  ;; nothing is subtracted.
  (func (export "sub") (param $end i32) (result i32)
    (local $at i32) (local $p v128) (local $words v128) (local $most v128) (local $sums v128)
    (local.set $p (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))
    (loop $four
      (local.set $words (v128.load offset=66560 (local.get $at)))
      (local.set $most (i32x4.max_u (local.get $most) (local.get $words)))
      (local.set $sums (i32x4.sub (v128.load (local.get $at)) (i32x4.shr_u (local.get $words) (i32.const 1))))
      ;; Of a sum and the same less or more p, the one outside of 0 .. p is the larger, as it wraps around where it is negative.
      (v128.store (local.get $at) (i32x4.min_u (local.get $sums) (i32x4.add (local.get $sums) (local.get $p))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end))))
    ;; 2 p is the least word whose upper 31 bits are p.
    (v128.any_true (i32x4.ge_u (local.get $most) (v128.const i32x4 0xfffffffe 0xfffffffe 0xfffffffe 0xfffffffe))))

  ;; Inner products of elements with the four columns of the coefficients. `x` and `end` are bytes of the elements, a multiple of 16 and
  ;; at most 8,192 apart; the first element meets the first row.
  ;;
  ;; A product is below 2^62, four are below 2^64. Folded, (s mod 2^31) + floor(s / 2^31), they are congruent and below 2^34, so
  ;; that those of a block add up to less than 2^43: exact in a double.
  (func (export "dot") (param $x i32) (param $end i32)
    (local $a i32) (local $v v128) (local $c v128)
    (local $p0 v128) (local $p1 v128) (local $s0 v128) (local $s1 v128)
    (local.set $a (i32.const 262144))
    (block $done
      (loop $four
        (br_if $done (i32.ge_u (local.get $x) (local.get $end)))
        (local.set $v (v128.load32_splat (local.get $x)))
        (local.set $c (v128.load (local.get $a)))
        (local.set $p0 (i64x2.extmul_low_i32x4_u (local.get $v) (local.get $c)))
        (local.set $p1 (i64x2.extmul_high_i32x4_u (local.get $v) (local.get $c)))
        (local.set $v (v128.load32_splat offset=4 (local.get $x)))
        (local.set $c (v128.load offset=16 (local.get $a)))
        (local.set $p0 (i64x2.add (local.get $p0) (i64x2.extmul_low_i32x4_u (local.get $v) (local.get $c))))
        (local.set $p1 (i64x2.add (local.get $p1) (i64x2.extmul_high_i32x4_u (local.get $v) (local.get $c))))
        (local.set $v (v128.load32_splat offset=8 (local.get $x)))
        (local.set $c (v128.load offset=32 (local.get $a)))
        (local.set $p0 (i64x2.add (local.get $p0) (i64x2.extmul_low_i32x4_u (local.get $v) (local.get $c))))
        (local.set $p1 (i64x2.add (local.get $p1) (i64x2.extmul_high_i32x4_u (local.get $v) (local.get $c))))
        (local.set $v (v128.load32_splat offset=12 (local.get $x)))
        (local.set $c (v128.load offset=48 (local.get $a)))
        (local.set $p0 (i64x2.add (local.get $p0) (i64x2.extmul_low_i32x4_u (local.get $v) (local.get $c))))
        (local.set $p1 (i64x2.add (local.get $p1) (i64x2.extmul_high_i32x4_u (local.get $v) (local.get $c))))
        (local.set $s0 (i64x2.add (local.get $s0) (i64x2.add (v128.and (local.get $p0) (v128.const i64x2 0x7fffffff 0x7fffffff)) (i64x2.shr_u (local.get $p0) (i32.const 31)))))
        (local.set $s1 (i64x2.add (local.get $s1) (i64x2.add (v128.and (local.get $p1) (v128.const i64x2 0x7fffffff 0x7fffffff)) (i64x2.shr_u (local.get $p1) (i32.const 31)))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $a (i32.add (local.get $a) (i32.const 64)))
        (br $four)))
    (f64.store (i32.const 294912) (f64.convert_i64_u (i64x2.extract_lane 0 (local.get $s0))))
    (f64.store (i32.const 294920) (f64.convert_i64_u (i64x2.extract_lane 1 (local.get $s0))))
    (f64.store (i32.const 294928) (f64.convert_i64_u (i64x2.extract_lane 0 (local.get $s1))))
    (f64.store (i32.const 294936) (f64.convert_i64_u (i64x2.extract_lane 1 (local.get $s1))))))
