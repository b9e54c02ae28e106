// SPDX-License-Identifier: Apache-2.0
export default async function Page({ params }) {
  return <p>{`page ${(await params).n}`}</p>;
}
