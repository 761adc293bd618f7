;; Kernels over vectors in two areas of memory, four elements at a time (simd.ts). Residues are modulo p = 2^31 - 1.
;;
;; Memory: areas of 65,536 elements of 32 bits, the first from byte 0 and the second from 263,168 on; from 525,312 on 2,048 rows of
;; four coefficients; from 558,080 on four sums as doubles. `end`: bytes of the elements, from 1 on; the last four are handled even where
;; it lies within them.
(module
  (memory (export "memory") 9)

  ;; Residues of the first area plus the upper 31 bits of the words of the second, modulo p, in place. Returns whether the upper 31 bits
  ;; of a word may be p: there nothing is added.
  (func (export "add") (param $end i32) (result i32)
    (local $at i32) (local $p v128) (local $words v128) (local $most v128) (local $sums v128)
    (local.set $p (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))
    (loop $four
      (local.set $words (v128.load offset=263168 (local.get $at)))
      (local.set $most (i32x4.max_u (local.get $most) (local.get $words)))
      (local.set $sums (i32x4.add (v128.load (local.get $at)) (i32x4.shr_u (local.get $words) (i32.const 1))))
      ;; Of a sum and the same less or more p, the one outside of 0 .. p is the larger, as it wraps around where it is negative.
      (v128.store (local.get $at) (i32x4.min_u (local.get $sums) (i32x4.sub (local.get $sums) (local.get $p))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end))))
    ;; 2 p is the least word whose upper 31 bits are p.
    (v128.any_true (i32x4.ge_u (local.get $most) (v128.const i32x4 0xfffffffe 0xfffffffe 0xfffffffe 0xfffffffe))))

  ;; The same, less the upper 31 bits.
  (func (export "sub") (param $end i32) (result i32)
    (local $at i32) (local $p v128) (local $words v128) (local $most v128) (local $sums v128)
    (local.set $p (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))
    (loop $four
      (local.set $words (v128.load offset=263168 (local.get $at)))
      (local.set $most (i32x4.max_u (local.get $most) (local.get $words)))
      (local.set $sums (i32x4.sub (v128.load (local.get $at)) (i32x4.shr_u (local.get $words) (i32.const 1))))
      ;; Of a sum and the same less or more p, the one outside of 0 .. p is the larger, as it wraps around where it is negative.
      (v128.store (local.get $at) (i32x4.min_u (local.get $sums) (i32x4.add (local.get $sums) (local.get $p))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end))))
    ;; 2 p is the least word whose upper 31 bits are p.
    (v128.any_true (i32x4.ge_u (local.get $most) (v128.const i32x4 0xfffffffe 0xfffffffe 0xfffffffe 0xfffffffe))))

  ;; Residues of the first area plus those of the second, modulo p, in place. Returns whether one of the second is none.
  (func (export "sum") (param $end i32) (result i32)
    (local $at i32) (local $p v128) (local $terms v128) (local $most v128) (local $sums v128)
    (local.set $p (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))
    (loop $four
      (local.set $terms (v128.load offset=263168 (local.get $at)))
      (local.set $most (i32x4.max_u (local.get $most) (local.get $terms)))
      (local.set $sums (i32x4.add (v128.load (local.get $at)) (local.get $terms)))
      (v128.store (local.get $at) (i32x4.min_u (local.get $sums) (i32x4.sub (local.get $sums) (local.get $p))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end))))
    (v128.any_true (i32x4.ge_u (local.get $most) (local.get $p))))

  ;; Whether an element of the first area is no residue.
  (func (export "exceed") (param $end i32) (result i32)
    (local $at i32) (local $most v128)
    (loop $four
      (local.set $most (i32x4.max_u (local.get $most) (v128.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end))))
    (v128.any_true (i32x4.ge_u (local.get $most) (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))))

  ;; Doubles of the first area times `factor`, within `bound` and times `scale`, rounded to integers by the words of the second, in
  ;; their place: in two's complement, those below 0 plus `modulus`. `end`: of the words. Returns whether all products are finite.
  (func (export "round")
    (param $end i32) (param $factor f64) (param $bound f64) (param $scale f64) (param $modulus i32) (result i32)
    (local $at i32) (local $words v128) (local $check v128) (local $value v128) (local $lower v128) (local $u v128) (local $integers v128)
    (local $factor2 v128) (local $bound2 v128) (local $least v128) (local $scale2 v128) (local $unit v128) (local $modulus4 v128)
    (local.set $factor2 (f64x2.splat (local.get $factor)))
    (local.set $bound2 (f64x2.splat (local.get $bound)))
    (local.set $least (f64x2.neg (local.get $bound2)))
    (local.set $scale2 (f64x2.splat (local.get $scale)))
    (local.set $modulus4 (i32x4.splat (local.get $modulus)))
    ;; 2^-32.
    (local.set $unit (f64x2.splat (f64.const 0x1p-32)))
    (loop $four
      (local.set $words (v128.load offset=263168 (local.get $at)))
      (local.set $value (f64x2.mul (v128.load (i32.shl (local.get $at) (i32.const 1))) (local.get $factor2)))
      ;; 0 for what is finite, else NaN, which no further addition mends.
      (local.set $check (f64x2.add (local.get $check) (f64x2.sub (local.get $value) (local.get $value))))
      (local.set $value (f64x2.pmin (local.get $bound2) (f64x2.pmax (local.get $least) (local.get $value))))
      (local.set $value (f64x2.mul (local.get $value) (local.get $scale2)))
      (local.set $lower (f64x2.floor (local.get $value)))
      ;; Up if u = word / 2^32 is below the fraction: floor(u - fraction) is then -1, else 0, exactly.
      (local.set $u (f64x2.mul (f64x2.convert_low_i32x4_u (local.get $words)) (local.get $unit)))
      (local.set $value (f64x2.sub (local.get $u) (f64x2.sub (local.get $value) (local.get $lower))))
      (local.set $value (f64x2.sub (local.get $lower) (f64x2.floor (local.get $value))))
      (local.set $integers (i32x4.trunc_sat_f64x2_s_zero (local.get $value)))
      (local.set $value (f64x2.mul (v128.load offset=16 (i32.shl (local.get $at) (i32.const 1))) (local.get $factor2)))
      (local.set $check (f64x2.add (local.get $check) (f64x2.sub (local.get $value) (local.get $value))))
      (local.set $value (f64x2.pmin (local.get $bound2) (f64x2.pmax (local.get $least) (local.get $value))))
      (local.set $value (f64x2.mul (local.get $value) (local.get $scale2)))
      (local.set $lower (f64x2.floor (local.get $value)))
      (local.set $words (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $words) (local.get $words)))
      (local.set $u (f64x2.mul (f64x2.convert_low_i32x4_u (local.get $words)) (local.get $unit)))
      (local.set $value (f64x2.sub (local.get $u) (f64x2.sub (local.get $value) (local.get $lower))))
      (local.set $value (f64x2.sub (local.get $lower) (f64x2.floor (local.get $value))))
      (local.set $integers
        (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
          (local.get $integers)
          (i32x4.trunc_sat_f64x2_s_zero (local.get $value))))
      (v128.store offset=263168 (local.get $at)
        (i32x4.add (local.get $integers) (v128.and (local.get $modulus4) (i32x4.shr_s (local.get $integers) (i32.const 31)))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end))))
    (i64x2.all_true (f64x2.eq (local.get $check) (local.get $check))))

  ;; Residues of the first area as the integers from -(p - 1) / 2 to (p - 1) / 2 that they stand for, in place.
  (func (export "centre") (param $end i32)
    (local $at i32) (local $residues v128)
    (loop $four
      (local.set $residues (v128.load (local.get $at)))
      (v128.store (local.get $at)
        (i32x4.sub
          (local.get $residues)
          (v128.and
            (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff)
            (i32x4.gt_s (local.get $residues) (v128.const i32x4 0x3fffffff 0x3fffffff 0x3fffffff 0x3fffffff)))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Floats of the second area plus the integers of the first divided by `scale` and `weight`, in place.
  (func (export "step") (param $end i32) (param $scale f64) (param $weight f64)
    (local $at i32) (local $integers v128) (local $floats v128) (local $scale2 v128) (local $weight2 v128)
    (local.set $scale2 (f64x2.splat (local.get $scale)))
    (local.set $weight2 (f64x2.splat (local.get $weight)))
    (loop $four
      (local.set $integers (v128.load (local.get $at)))
      (local.set $floats (v128.load offset=263168 (local.get $at)))
      (v128.store offset=263168 (local.get $at)
        (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
          (f32x4.demote_f64x2_zero
            (f64x2.add
              (f64x2.promote_low_f32x4 (local.get $floats))
              (f64x2.div (f64x2.div (f64x2.convert_low_i32x4_s (local.get $integers)) (local.get $scale2)) (local.get $weight2))))
          (f32x4.demote_f64x2_zero
            (f64x2.add
              (f64x2.promote_low_f32x4 (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $floats) (local.get $floats)))
              (f64x2.div
                (f64x2.div
                  (f64x2.convert_low_i32x4_s (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $integers) (local.get $integers)))
                  (local.get $scale2))
                (local.get $weight2))))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Inner products of elements with the four columns of the coefficients. `x` and `end` are bytes of the elements, a multiple of 16 and
  ;; at most 8,192 apart; the first element meets the first row.
  ;;
  ;; A product is below 2^62, four are below 2^64. Folded, (s mod 2^31) + floor(s / 2^31), they are congruent and below 2^34, so
  ;; that those of a block add up to less than 2^43: exact in a double.
  (func (export "dot") (param $x i32) (param $end i32)
    (local $a i32) (local $v v128) (local $c v128)
    (local $p0 v128) (local $p1 v128) (local $s0 v128) (local $s1 v128)
    (local.set $a (i32.const 525312))
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
    (f64.store (i32.const 558080) (f64.convert_i64_u (i64x2.extract_lane 0 (local.get $s0))))
    (f64.store (i32.const 558088) (f64.convert_i64_u (i64x2.extract_lane 1 (local.get $s0))))
    (f64.store (i32.const 558096) (f64.convert_i64_u (i64x2.extract_lane 0 (local.get $s1))))
    (f64.store (i32.const 558104) (f64.convert_i64_u (i64x2.extract_lane 1 (local.get $s1))))))
