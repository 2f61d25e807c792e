import { equalBytes, toHex } from './bytes';
import { checkCertificate } from './certificate';
import { EPOCH, type Member, type Network, openNetwork, VERSION } from './genesis';
import { headerHash } from './header';
import { leafHash, rootOfPath } from './merkle';
import { encodeEntry, hasValidSignature, orderId, personalHash } from './order';
import { type ListedMember, parseReceipt, type Receipt } from './receipt';
import { about, Refused } from './refused';

/** A value that a step compared or found, to be shown as it is. */
export interface StepValue {
  readonly label: string;
  readonly value: string;
}

/** One step of the check of a receipt, for people to read. */
export interface Step {
  readonly id: 'form' | 'personal' | 'order' | 'voucher' | 'log' | 'block' | 'quorum';
  /** What is right where the step is ok. */
  readonly title: string;
  readonly ok: boolean;
  /** What was found, in plain words. */
  readonly detail: string;
  readonly values: readonly StepValue[];
}

/** What came of the check of a receipt. */
export interface ProofCheck {
  /** True for a good receipt: every step is ok. */
  readonly ok: boolean;
  readonly steps: readonly Step[];
}

/**
 * Checks the JSON of `GET /v1/orders/{id}/proof` step by step (docs/protocol.md §3, A receipt) against a genesis: its
 * JSON, or the network opened from it. `id` is the id of the order that the proof was asked for, where it is known.
 * Nothing is thrown: what cannot be read is the one step `form`, which is not ok.
 */
export function checkProof(proof: string, genesis: string | Network, id?: string): ProofCheck {
  let receipt: Receipt;
  let network: Network;
  try {
    receipt = parseReceipt(proof);
    network = typeof genesis === 'string' ? openNetwork(genesis) : genesis;
  } catch (error) {
    return { ok: false, steps: [{ id: 'form', title: 'The proof can be read', ...failure(error) }] };
  }
  const steps: Step[] = [
    step('personal', 'Customer and details are those of the order', () => checkPersonal(receipt)),
    step('order', "The order's id is the hash of the order", () => checkId(receipt, id)),
    step('voucher', 'Somebody answers for the order', () => checkVoucher(receipt, network)),
    step('log', 'The order is in the order log', () => checkLog(receipt)),
    step('block', 'The log is that of a block of this network', () => checkBlock(receipt, network)),
    step('quorum', 'A quorum of members made that block final', () => checkQuorum(receipt, network)),
  ];
  return { ok: steps.every(({ ok }) => ok), steps };
}

type Finding = Pick<Step, 'ok' | 'detail' | 'values'>;

function step(id: Step['id'], title: string, check: () => Finding): Step {
  let finding: Finding;
  try {
    finding = check();
  } catch (error) {
    finding = failure(error);
  }
  return { id, title, ...finding };
}

function failure(error: unknown): Finding {
  if (!(error instanceof Refused)) {
    throw error;
  }
  return { ok: false, detail: `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`, values: [] };
}

function hexValues(values: Readonly<Record<string, Uint8Array>>): StepValue[] {
  return Object.entries(values).map(([label, bytes]) => ({ label, value: toHex(bytes) }));
}

function checkPersonal({ order, personal }: Receipt): Finding {
  if (personal === null) {
    return {
      ok: true,
      detail: 'Customer and details were erased. What is left of them is a hash that tells nothing.',
      values: hexValues({ 'personal hash in the order': order.personalHash }),
    };
  }
  const computed = personalHash(personal);
  const ok = equalBytes(computed, order.personalHash);
  return {
    ok,
    detail: ok
      ? `Customer “${personal.customer}” and details “${personal.details}” hash, with the salt, to what the order ` +
        'commits to.'
      : 'Customer, details and salt do not hash to what the order commits to.',
    values: hexValues({ 'personal hash computed': computed, 'personal hash in the order': order.personalHash }),
  };
}

function checkId({ order }: Receipt, asked: string | undefined): Finding {
  const computed = toHex(orderId(order));
  const values = [{ label: 'id computed', value: computed }];
  if (asked === undefined) {
    return { ok: true, detail: `The order's public part hashes to the id ${computed}.`, values };
  }
  const ok = computed === asked.toLowerCase();
  return {
    ok,
    detail: ok
      ? "The order's public part hashes to the id that was asked for."
      : "The order's public part hashes to another id than was asked for: this is another order.",
    values: [...values, { label: 'id asked for', value: asked }],
  };
}

function checkVoucher({ order }: Receipt, network: Network): Finding {
  const { voucher } = order;
  if (voucher.kind === 'key') {
    const ok = hasValidSignature(network.chain, order);
    return {
      ok,
      detail: ok
        ? 'The customer signed exactly this order for this network.'
        : "The customer's signature is not right for this order on this network.",
      values: hexValues({ "customer's key": voucher.key, signature: voucher.signature }),
    };
  }
  const member = network.members.find(({ id }) => equalBytes(id, voucher.member));
  return {
    ok: member !== undefined,
    detail:
      member === undefined
        ? 'The order names a till that no member of this network has.'
        : `The order was taken at the till of ${member.name}, which answers for it.`,
    values: hexValues({ "till's member": voucher.member }),
  };
}

function checkLog({ order, logIndex, path, header }: Receipt): Finding {
  const computed = rootOfPath(leafHash(encodeEntry(order)), logIndex, header.logSize, path);
  const ok = equalBytes(computed, header.logRoot);
  return {
    ok,
    detail: ok
      ? `The order is at place ${logIndex} of a log of ${header.logSize}: the hashes beside its way to the root lead ` +
        'to the root that the block commits to.'
      : `The order is not at place ${logIndex} of the log: the hashes beside its way to the root lead to another one.`,
    values: hexValues({ 'root computed': computed, 'root in the block': header.logRoot }),
  };
}

function checkBlock(receipt: Receipt, network: Network): Finding {
  const { chain, header, certificate, members } = receipt;
  const computed = headerHash(header);
  const rules: readonly (readonly [boolean, string])[] = [
    [equalBytes(chain, network.chain), 'The proof is of another network than the genesis.'],
    [equalBytes(header.chain, network.chain), 'The block is of another network than the genesis.'],
    [header.version === VERSION, `The block is of version ${header.version} and not ${VERSION}.`],
    [header.epoch === EPOCH, `The block is of epoch ${header.epoch} and not ${EPOCH}.`],
    [header.height > 0n, 'The block is of height 0, where there is only the genesis.'],
    [listsMembers(members, network.members), 'The members that the proof lists are not those of the genesis.'],
    [equalBytes(computed, certificate.block), 'The certificate is of another block than this.'],
  ];
  const broken = rules.find(([holds]) => !holds);
  return {
    ok: broken === undefined,
    detail:
      broken?.[1] ??
      `Block ${header.height} belongs to the network ${network.genesis.network}, and is the one that the certificate ` +
        'names.',
    values: hexValues({
      'chain id: hash of the genesis': network.chain,
      'chain id in the proof': chain,
      'block hash computed': computed,
      'block hash in the certificate': certificate.block,
    }),
  };
}

/** The list is for people to read and may be left empty; one that is there must not mislead them. */
function listsMembers(listed: readonly ListedMember[], members: readonly Member[]): boolean {
  if (listed.length === 0) {
    return true;
  }
  return (
    listed.length === members.length &&
    members.every((member, index) => {
      const other = listed[index];
      return (
        other !== undefined &&
        other.name === member.name &&
        equalBytes(other.id, member.id) &&
        equalBytes(other.identityKey, member.identityKey) &&
        equalBytes(other.lotteryKey, member.lotteryKeyBytes)
      );
    })
  );
}

function checkQuorum({ header, certificate }: Receipt, network: Network): Finding {
  const { epoch, height } = header;
  const block = { epoch, height, hash: headerHash(header) };
  const votes = about('the certificate', () => checkCertificate(network, certificate, 'finalize', block));
  const names = votes.map(({ member }) => member.name);
  return {
    ok: true,
    detail:
      `${names.length} of ${network.members.length} members signed block ${height} as final, and ` +
      `${network.quorum} make a quorum: ${names.join(', ')}.`,
    values: [
      ...hexValues({ 'block signed': certificate.block }),
      ...votes.map(({ member, signature }) => ({ label: `signature of ${member.name}`, value: toHex(signature) })),
    ],
  };
}
