// The document's own lines (Verifying Webhooks), then what reads a delivery from standard input.
const crypto = require('crypto');

function verifyWebhook(payload, signature, secret) {
  const expectedSignature = crypto.createHmac('sha256', secret).update(payload).digest('hex');

  return `sha256=${expectedSignature}` === signature;
}

const { payload, header, secret } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const { signature, ...rest } = JSON.parse(payload);
const answers = [verifyWebhook(payload, header, secret)];
if (signature !== undefined) answers.push(verifyWebhook(JSON.stringify(rest), signature, secret));
console.log(JSON.stringify(answers));
