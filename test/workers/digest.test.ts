/**
 * The bundled service module `digest`: digests against published vectors, hashes of passwords against other libraries.
 */
import t from 'tap'
import digest from '../../workers/digest.ts'
import { issuesOf, runMethod } from './run-method.ts'

const { hash, verify, hashPassword, verifyPassword } = digest.methods

// The vectors of FIPS 180-4 and FIPS 202, as NIST publishes them.
const ABC = {
  sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  sha384: 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
  sha512:
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
    '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  'sha3-256': '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532',
  'sha3-384': 'ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25',
  'sha3-512':
    'b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e' +
    '10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0',
} as const

for (const algorithm of Object.keys(ABC) as (keyof typeof ABC)[]) {
  t.test(`${algorithm} computes the digest of its standard`, async (t) => {
    t.same(await runMethod(hash, { algorithm, data: 'abc' }), { digest: ABC[algorithm], algorithm, bytes: 3 })
    t.same(await runMethod(verify, { algorithm, data: 'abc', expected: ABC[algorithm] }), { valid: true })
    t.same(await runMethod(verify, { algorithm, data: 'abd', expected: ABC[algorithm] }), { valid: false })
  })
}

t.test('the same bytes have the same digest in every encoding', async (t) => {
  const expected = await runMethod(hash, { algorithm: 'sha256', data: 'é\n' })
  t.equal(expected.bytes, 3)
  t.same(await runMethod(hash, { algorithm: 'sha256', data: 'w6kK', encoding: 'base64' }), expected)
  t.same(await runMethod(hash, { algorithm: 'sha256', data: 'C3A90a', encoding: 'hex' }), expected)
})

t.test('a digest is returned as base64 if that is requested', async (t) => {
  const { digest } = await runMethod(hash, { algorithm: 'sha256', data: '', output: 'base64' })
  t.equal(digest, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=')
  t.same(await runMethod(verify, { algorithm: 'sha256', data: '', expected: digest, output: 'base64' }), {
    valid: true,
  })
})

t.test('data that does not match its encoding is refused, and no part of it is skipped', async (t) => {
  const refused = {
    base64: ['w6k', 'w6kK!', 'w6 kK', 'w6kL=', '_-8=', 'w6l='],
    hex: ['c3a', 'c3zz', '0xc3', 'c3 a9'],
    utf8: ['\ud800'],
  }
  for (const encoding of Object.keys(refused) as (keyof typeof refused)[]) {
    for (const data of refused[encoding]) {
      t.match(issuesOf(hash, { algorithm: 'sha256', data, encoding }), [{ path: 'data', message: /^Not / }], data)
      t.match(issuesOf(verify, { algorithm: 'sha256', data, encoding, expected: '' }), [{ path: 'data' }], data)
    }
  }
  t.match(issuesOf(verify, { algorithm: 'sha256', data: '', expected: 'xyz' }), [
    { path: 'expected', message: 'Not hexadecimal' },
  ])
})

t.test('an expected digest of another length is not valid, but no error', async (t) => {
  t.same(await runMethod(verify, { algorithm: 'sha512', data: 'abc', expected: ABC.sha256 }), { valid: false })
  t.same(await runMethod(verify, { algorithm: 'sha256', data: 'abc', expected: '' }), { valid: false })
})

t.test('an unknown algorithm and too much data are refused', async (t) => {
  t.match(issuesOf(hash, { algorithm: 'md5', data: '' }), [{ path: 'algorithm' }])
  t.match(issuesOf(hash, { algorithm: 'sha256', data: 'a'.repeat(8 * 1024 * 1024 + 1) }), [{ path: 'data' }])
})

t.test('a password is hashed with a random salt, and verified', async (t) => {
  const password = 'correct horse battery staple ✓'
  const [{ hash }, { hash: another }] = await Promise.all([
    runMethod(hashPassword, { password }),
    runMethod(hashPassword, { password }),
  ])
  t.match(hash, /^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.not(hash, another)
  const verified = [password, `${password} `].map((given) => runMethod(verifyPassword, { password: given, hash }))
  t.same(await Promise.all(verified), [{ valid: true }, { valid: false }])
})

// The hashes of RFC 7914 section 12, and of the documentation of Python's passlib.
const KNOWN = {
  pleaseletmein:
    '$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw',
  password: '$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E',
}

t.test('hashes that other libraries made are verified', async (t) => {
  for (const [password, hash] of Object.entries(KNOWN)) {
    const verified = [password, 'another'].map((given) => runMethod(verifyPassword, { password: given, hash }))
    t.same(await Promise.all(verified), [{ valid: true }, { valid: false }], password)
  }
})

t.test('a malformed hash is refused with the reason', async (t) => {
  const refuse = (hash: string, message: RegExp) =>
    t.match(issuesOf(verifyPassword, { password: 'a', hash }), [{ path: 'hash', message }], hash)
  const salt = 'aM15713r3Xsvxbi31lqr1Q'
  const key = 'nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E'
  refuse('', /form/)
  refuse('$2b$12$abcdefghijklmnopqrstuv', /form/)
  refuse(`$scrypt$ln=16,r=8$${salt}$${key}`, /form/)
  refuse(`$scrypt$ln=0,r=8,p=1$${salt}$${key}`, /form/)
  refuse(`$scrypt$ln=16,r=8,p=1$${salt}$`, /form/)
  refuse(`$scrypt$ln=16,r=8,p=1$$${key}`, /form/)
  refuse(`$scrypt$ln=16,r=8,p=1$${salt}==$${key}`, /form/)
  refuse(`$scrypt$ln=16,r=8,p=1$${salt.slice(0, -1)}R$${key}`, /form/)
  refuse(`$scrypt$ln=16,r=8,p=1$${salt}$${key}\n`, /form/)
  refuse(`$scrypt$ln=16,r=1,p=1$${salt}$${key}`, /RFC 7914/)
})

t.test('a hash whose verification would take too much memory or time is refused', async (t) => {
  for (const cost of ['ln=99,r=8,p=1', 'ln=18,r=8,p=1', 'ln=10,r=9999,p=1', 'ln=17,r=8,p=5', 'ln=10,r=8,p=9999']) {
    const hash = `$scrypt$${cost}$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E`
    t.match(issuesOf(verifyPassword, { password: 'a', hash }), [{ path: 'hash', message: /Costs/ }], cost)
  }
})

t.test('the most expensive hash that is accepted is verified', async (t) => {
  const hashOf = (p: number) =>
    `$scrypt$ln=17,r=8,p=${p}$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E`
  t.same(issuesOf(verifyPassword, { password: 'a', hash: hashOf(4) }), [])
  // p = 1 takes as much memory as p = 4, and a quarter of its two seconds.
  const hash = hashOf(process.env.THREADPLANE_SOAK === undefined ? 1 : 4)
  t.same(await runMethod(verifyPassword, { password: 'a', hash }), { valid: false })
})

t.test('a password that is empty, too long, or not well-formed Unicode is refused', async (t) => {
  for (const password of ['', 'a'.repeat(1_025), '\udc00']) {
    t.match(issuesOf(hashPassword, { password }), [{ path: 'password' }])
  }
})
