"""What tools print when something is wrong, as a build's log has it, and the line to open at.

Each is (tool, output); the line to open at begins with `>>>`, which is taken away.
"""

from __future__ import annotations

OUTPUTS: list[tuple[str, str]] = [
    ("pytest", """\
============================= test session starts ==============================
platform linux -- Python 3.12.4, pytest-8.3.2, pluggy-1.5.0
collected 31 items

tests/test_errors.py ............                                        [ 38%]
tests/test_order.py ......F............                                  [100%]

=================================== FAILURES ===================================
________________________________ test_total_sum ________________________________

    def test_total_sum():
        order = Order([3, 4])
>       assert order.total == 8
>>>E       assert 7 == 8
E        +  where 7 = Order([3, 4]).total

tests/test_order.py:14: AssertionError
------------------------------ Captured log call -------------------------------
ERROR    shop:order.py:12 price not found
=========================== short test summary info ============================
FAILED tests/test_order.py::test_total_sum - assert 7 == 8
========================= 1 failed, 30 passed in 0.42s =========================
"""),
    ("pytest", """\
==================================== ERRORS ====================================
_____________________ ERROR collecting tests/test_order.py _____________________
ImportError while importing test module '/build/tests/test_order.py'.
tests/test_order.py:1: in <module>
    from shop import Order
>>>E   ModuleNotFoundError: No module named 'shop'
=========================== short test summary info ============================
ERROR tests/test_order.py
"""),
    ("pytest", """\
.........F...
>>>FAILED tests/test_order.py::test_total_sum - assert 7 == 8
1 failed, 12 passed in 0.42s
"""),
    ("unittest", """\
test_errors (tests.test_order.OrderTest.test_errors) ... ok
test_sum (tests.test_order.OrderTest.test_sum) ... FAIL

======================================================================
>>>FAIL: test_sum (tests.test_order.OrderTest.test_sum)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/build/tests/test_order.py", line 9, in test_sum
    self.assertEqual(7, 8)
AssertionError: 7 != 8

----------------------------------------------------------------------
Ran 2 tests in 0.001s

FAILED (failures=1)
"""),
    ("jest", """\
PASS src/cart.test.js
>>>FAIL src/order.test.js
  Order
    ✓ has no errors (3 ms)
    ✕ adds up (5 ms)

  ● Order \u203a adds up

    expect(received).toBe(expected) // Object.is equality

    Expected: 8
    Received: 7

Tests:       1 failed, 3 passed, 4 total
"""),
    ("jest", """\
>>> FAIL  src/order.test.ts > Order > adds up
AssertionError: expected 7 to be 8 // Object.is equality
 at src/order.test.ts:9:25
"""),
    ("mocha, rspec", """\
  Order
    ✔ is empty
>>>    1) adds up

  1 passing (6ms)
  1 failing

  1) Order
       adds up:
     AssertionError [ERR_ASSERTION]: 7 == 8
"""),
    ("go test", """\
=== RUN   TestErrors
--- PASS: TestErrors (0.00s)
=== RUN   TestSum
    order_test.go:12: got 7, want 8
>>>--- FAIL: TestSum (0.00s)
FAIL
FAIL	example.org/shop	0.003s
ok  	example.org/shop/errors	0.002s
"""),
    ("go", """\
# example.org/shop
>>>./order.go:14:9: undefined: Total
FAIL	example.org/shop [build failed]
"""),
    ("go test", """\
>>>panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.main()
	/build/main.go:8 +0x1d
exit status 2
"""),
    ("cargo", """\
   Compiling thiserror v1.0.61
   Compiling shop v0.1.0 (/build)
warning: unused variable: `error`
 --> src/main.rs:2:9
>>>error[E0382]: borrow of moved value: `order`
  --> src/main.rs:9:20
error: could not compile `shop` (bin "shop") due to 1 previous error
"""),
    ("cargo", """\
running 2 tests
test tests::no_errors ... ok
>>>test tests::sum ... FAILED

failures:

---- tests::sum stdout ----
thread 'tests::sum' panicked at src/lib.rs:12:9:
assertion `left == right` failed
test result: FAILED. 1 passed; 1 failed; 0 ignored
error: test failed, to rerun pass `--lib`
"""),
    ("compiler", """\
gcc -Wall -Werror=format -c -o error.o error.c
gcc -Wall -Werror=format -c -o order.o order.c
order.c: In function 'total':
order.c:12:5: warning: unused variable 'n' [-Wunused-variable]
>>>order.c:14:12: error: 'sum' undeclared (first use in this function)
   14 |     return sum;
order.c:14:12: note: each undeclared identifier is reported only once
make: *** [Makefile:3: order.o] Error 1
"""),
    ("compiler", """\
>>>src/order.h:3:10: fatal error: 'missing.h' file not found
    3 | #include "missing.h"
1 error generated.
"""),
    ("linker", """\
/usr/bin/ld: main.o: in function `main':
>>>main.c:(.text+0x15): undefined reference to `total'
collect2: error: ld returned 1 exit status
make: *** [Makefile:7: shop] Error 1
"""),
    ("make", """\
make[1]: Entering directory '/build/docs'
>>>make[1]: *** No rule to make target 'manual.html', needed by 'all'.  Stop.
make: *** [Makefile:12: docs] Error 2
"""),
    ("cmake", """\
-- The C compiler identification is GNU 12.2.0
>>>CMake Error at CMakeLists.txt:4 (find_package):
  Could not find a package configuration file provided by "Fmt"
-- Configuring incomplete, errors occurred!
"""),
    ("npm", """\
> shop@1.0.0 build
> node build.js

>>>npm ERR! code ELIFECYCLE
npm ERR! errno 1
"""),
    ("npm", """\
>>>npm error code E404
npm error 404 Not Found - GET /left-pad2
"""),
    ("node", """\
/build/build.js:3
  throw new TypeError('no such order');
  ^

>>>TypeError: no such order
    at Object.<anonymous> (/build/build.js:3:9)
"""),
    ("tsc", """\
>>>src/order.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.
npm ERR! Lifecycle script `build` failed with error:
"""),
    ("tsc", "\x1b[96msrc/a.ts\x1b[0m:\x1b[93m1\x1b[0m:\x1b[93m7\x1b[0m - warning: x\n"
            ">>>\x1b[96msrc/a.ts\x1b[0m:\x1b[93m3\x1b[0m:\x1b[93m5\x1b[0m - \x1b[91merror\x1b[0m"
            "\x1b[90m TS2322: \x1b[0mType 'string' is not assignable.\nFound 1 error in src/a.ts:3\n"),
    ("eslint", """\
/build/src/error.js
   3:1  warning  Unexpected console statement  no-console

/build/src/order.js
>>>  12:5   error    'sum' is not defined          no-undef

✖ 2 problems (1 error, 1 warning)
"""),
    ("compiler", """\
>>>shop/order.py:14: error: Incompatible return value type (got "int", expected "str")  [return-value]
Found 1 error in 1 file (checked 12 source files)
"""),
    ("ruff", """\
>>>shop/order.py:1:8: F401 [*] `os` imported but unused
Found 1 error.
[*] 1 fixable with the `--fix` option.
"""),
    ("ruff", """\
>>>F401 [*] `os` imported but unused
 --> shop/order.py:1:8
  |
1 | import os
Found 1 error.
"""),
    ("mocha, rspec", """\
Order
  has no errors

Failures:

>>>  1) Order adds up
     Failure/Error: expect(order.total).to eq(8)

       expected: 8
            got: 7

Finished in 0.01 seconds (files took 0.1 seconds to load)
2 examples, 1 failure

rspec ./spec/order_spec.rb:4 # Order adds up
"""),
    ("maven", """\
[INFO] Scanning for projects...
[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0
[WARNING] Using platform encoding
>>>[ERROR] /build/src/main/java/Order.java:[3,8] cannot find symbol
[INFO] BUILD FAILURE
[ERROR] Failed to execute goal
"""),
    ("gradle", """\
> Task :compileJava UP-TO-DATE
>>>> Task :test FAILED

OrderTest > addsUp() FAILED
    org.opentest4j.AssertionFailedError at OrderTest.java:9

FAILURE: Build failed with an exception.
"""),
    ("gradle", """\
>>>FAILURE: Build failed with an exception.

* What went wrong:
Task 'tset' not found in root project 'shop'.
"""),
    ("shell", """\
+ ./configure
>>>/build/run.sh: line 3: frobnicate: command not found
"""),
    ("shell", ">>>sh: 1: frobnicate: not found\n"),
    ("shell", ">>>bash: ./run.sh: Permission denied\n"),
    ("shell", "start\n>>>cat: orders.txt: No such file or directory\n"),
    ("shell", ">>>./run.sh: line 2: ORDERS: unbound variable\n"),
    ("shell", ">>>run.sh: line 9: syntax error near unexpected token `fi'\n"),
    ("python", """\
>>>Traceback (most recent call last):
  File "/build/main.py", line 3, in <module>
    main()
ZeroDivisionError: division by zero
"""),
    ("python", """\
Collecting shopp
>>>ERROR: Could not find a version that satisfies the requirement shopp (from versions: none)
ERROR: No matching distribution found for shopp
"""),
    ("git", ">>>fatal: couldn't find remote ref refs/heads/gone\n"),
    ("apt", "Reading package lists...\n>>>E: Unable to locate package libshop-dev\n"),
    ("killed", "linking\n>>>Killed\n"),
    ("killed", ">>>./test.sh: line 4:  1234 Segmentation fault      (core dumped) ./shop\n"),
    ("note", "checking\n>>>::error file=a.c,line=3::wrong\n"),
    ("test", "1..3\nok 1\n>>>not ok 2 - adds up\nok 3\n"),
    ("output", "starting\nchecking 3 errors.txt\n>>>2026-03-01 12:00:00 ERROR shop: database is gone\nbye\n"),
    ("output", "0 errors so far\n>>>shop: error: orders do not add up\n"),
    ("output", ">>>Error! Orders do not add up\n"),
]  # fmt: skip

HARMLESS = [
    "tests/test_errors.py ............                 [100%]",
    "test error_handling ... ok",
    "0 errors, 0 warnings",
    "Tests run: 3, Failures: 0, Errors: 0, Skipped: 0",
    "test result: ok. 12 passed; 0 failed; 0 ignored",
    "--- PASS: TestError (0.00s)",
    "gcc -Werror -c error.c",
    "src/a.c:3:5: warning: unused variable 'error'",
    "   Compiling thiserror v1.0.61",
    "checking for error_at_line... yes",
    "added 12 packages, and found 0 vulnerabilities",
    "Found 0 errors. Watching for file changes.",
    "[INFO] BUILD SUCCESS",
    "error: 0",
    "Get:1 libgpg-error0 1.46",
    "PASS src/error.test.js",
    "> Task :compileJava UP-TO-DATE",
    "✓ fails with an error",
]
